// Starts Portwarden with its sample image, in a folder that goes away.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PASSWORD = 'correct horse battery';
export const login = 'Basic ' + Buffer.from(`admin:${PASSWORD}`).toString('base64');

const freePort = () => new Promise((done) => {
  const door = createServer().listen(0, '127.0.0.1', () => { const { port } = door.address(); door.close(() => done(port)); });
});

export async function serve(binary) {
  const data = mkdtempSync(join(tmpdir(), 'portwarden-console-'));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(binary, ['serve', '--sample', '--offline', '--data', data, '--listen', address], {
    env: { ...process.env, PORTWARDEN_ADMIN_PASSWORD: PASSWORD }, stdio: 'ignore',
  });
  const base = `http://${address}`;
  const stop = () => { child.kill(); rmSync(data, { recursive: true, force: true }); };
  for (let tries = 0; tries < 240; tries++) {
    const answer = await fetch(`${base}/api/v1/images?verdict=complete,gaps`, { headers: { Authorization: login } }).catch(() => null);
    const images = answer?.ok ? (await answer.json()).items : [];
    if (images.length) return { base, image: images[0], stop };
    await new Promise((done) => setTimeout(done, 250));
  }
  stop();
  throw new Error('the sample image was not judged within a minute');
}
