// Starts Portwarden in a folder that goes away, and asks it by REST and by its command line.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { write } from './feeds.mjs';

export const PASSWORD = 'correct horse battery';
const credentials = `admin:${PASSWORD}`;
export const login = 'Basic ' + Buffer.from(credentials).toString('base64');
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const freePort = () => new Promise((done) => {
  const door = createServer().listen(0, '127.0.0.1', () => { const { port } = door.address(); door.close(() => done(port)); });
});

// With the sample image, or with advisories of these vulnerabilities.
export async function serve(binary, { sample = false, vulnerabilities = null } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'portwarden-console-')), data = join(folder, 'data');
  const host = `127.0.0.1:${await freePort()}`, base = `http://${host}`;
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('PORTWARDEN_') && name !== 'RUST_LOG');
  const env = { ...Object.fromEntries(kept), PORTWARDEN_ADMIN_PASSWORD: PASSWORD, NO_COLOR: '1' };
  const run = (...words) => spawnSync(binary, words, { env, cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (vulnerabilities) {
    write(join(folder, 'feeds'), vulnerabilities);
    const done = run('--data', data, 'db', 'update', '--from', join(folder, 'feeds'));
    if (done.status !== 0) throw new Error(`db update: ${done.stdout}${done.stderr}`);
  }
  const child = spawn(binary, ['--data', data, 'serve', '--offline', '--listen', host, ...(sample ? ['--sample'] : [])], { env, cwd: folder, stdio: 'ignore' });
  const stop = () => { child.kill(); rmSync(folder, { recursive: true, force: true }); };
  const ask = async (method, path, body) => {
    const headers = { Authorization: login, ...(body ? { 'Content-Type': 'application/json' } : {}) };
    const answer = await fetch(`${base}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
    return text && JSON.parse(text);
  };
  const until = async (what, look) => {
    for (let tries = 0; tries < 1200; tries++) {
      const found = await look().catch(() => null);
      if (found) return found;
      await pause(50);
    }
    throw new Error(`never: ${what}`);
  };
  const server = {
    base, host, folder, data, login, credentials, stop, ask, until,
    get: (path) => ask('GET', path),
    // A command against this server; as JSON unless the words say otherwise.
    cli: (...words) => run(...words, '--server', `http://admin:${encodeURIComponent(PASSWORD)}@${host}`),
    local: run,
    json(...words) {
      const done = server.cli(...words, '--format', 'json');
      if (done.status !== 0) throw new Error(`portwarden ${words.join(' ')}: ${done.status} ${done.stderr}`);
      return JSON.parse(done.stdout);
    },
    judged: (digest) => until(`${digest} is judged`, async () => {
      const image = await ask('GET', `/images/${digest}`);
      return image.verdict !== 'none' && image.work === 'idle' && image;
    }),
  };
  try {
    await until('the server is ready', async () => (await fetch(`${base}/readyz`)).ok);
    if (sample) await until('the sample image is judged', async () => (await ask('GET', '/images?verdict=complete,gaps')).items[0]);
  } catch (error) {
    stop();
    throw error;
  }
  return server;
}
