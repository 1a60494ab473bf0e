// An installation in use: the story's images, a second tag, and one of everything that people make.
import { image, push } from './images.mjs';
import { MAIN } from './figures.mjs';
import { serve } from './server.mjs';
import { images, story } from './seed.mjs';

export async function furnish(binary) {
  const server = await serve(binary, { vulnerabilities: story.vulnerabilities });
  try {
    const next = image({ ...story.images.old, npm: { minimist: '1.2.8', lodash: '4.17.20' } }, 'next');
    const pushed = [['payments/api:1.0', images.old], ['payments/api:1.0', next], ['payments/worker:1.0', images.worker], ['web/site:1.0', images.clean]];
    for (const [name, one] of pushed) {
      await push(server, name, one);
      await server.judged(one.digest);
    }
    const subscription = (await server.get('/plans')).items[0].subscription, scope = `/${subscription}`;
    const rule = { name: 'no templates of strangers', scope, criteria: { finding_ids: ['CVE-2026-20005'] }, reason: 'accepted-risk', justification: 'no template of a stranger is rendered', expires: '7d', confirm: true };
    const made = await server.ask('POST', '/rules', rule);
    await server.ask('POST', `/rules/${made.id}/override`, { scope: `${scope}/local/payments/worker`, name: 'stricter here', criteria: { finding_ids: ['CVE-2026-20002'] }, reason: 'other', justification: 'stricter here', expires: '30d', confirm: true });
    await server.ask('POST', '/users', { name: 'ann', password: 'a long enough password' });
    await server.ask('POST', '/users', { name: 'ci', kind: 'robot' });
    await server.ask('POST', '/roles', { principal: 'ann', role: 'reader', scope });
    await server.ask('POST', '/roles', { principal: 'ci', role: 'acr-push', scope });
    await server.ask('POST', '/tokens', { name: 'pipeline', principal: 'ci', grants: [{ role: 'acr-push', scope }] });
    await server.ask('POST', '/views', { name: 'the worst', address: '/findings?q=severity:critical' });
    await server.ask('POST', '/exemptions', { recommendation: 'end-of-life', scope, kind: 'waiver', reason: 'being replaced', expires: '2027-06-30' });
    await server.ask('PUT', `/recommendations/${MAIN}/assignment`, { owner: 'team payments', due: '2027-01-31' });
    await server.ask('POST', '/notifications/channels', { name: 'ops', address: 'https://hooks.example/here' });
    await server.ask('POST', '/imports', { source: 'registry.invalid/library/alpine:3.18', as: 'library/alpine:3.18' });
    return Object.assign(server, { subscription, next, rule: made.id, at: `/s/${subscription}/local/payments/api` });
  } catch (error) {
    server.stop();
    throw error;
  }
}
