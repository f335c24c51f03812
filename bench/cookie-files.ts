import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { childDirectory } from './child.ts';
import type { Contender } from './contender.ts';
import type { Ground } from './ground.ts';

/** Writes so many sessions for each contender that can, and a file of their cookies. */
export async function writeCookieFiles(
  { contenders, ground }: { readonly contenders: readonly Contender[]; readonly ground: Ground },
  sessions: number,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const contender of contenders) {
    const write = contender.recipe.writeSessions?.(ground, contender);
    if (!write) continue;
    const cookies = await write(sessions, contender.headers['Cookie'] ?? '');
    const file = join(childDirectory(), `${contender.name}.cookies`);
    writeFileSync(file, `${cookies.join('\n')}\n`);
    files.set(contender.name, file);
  }
  return files;
}
