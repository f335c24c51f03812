import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { childDirectory } from './child.ts';
import type { Contender } from './contender.ts';
import type { Backends } from './backends.ts';

/** Writes so many sessions for each contender that can, and a file of their cookies. */
export async function writeCookieFiles(
  {
    contenders,
    backends,
  }: { readonly contenders: readonly Contender[]; readonly backends: Backends },
  sessions: number,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const contender of contenders) {
    const write = contender.recipe.writeSessions?.(backends, contender);
    if (!write) continue;
    const cookies = await write(sessions, contender.headers['Cookie'] ?? '');
    const file = join(childDirectory(), `${contender.name}.cookies`);
    writeFileSync(file, `${cookies.join('\n')}\n`);
    files.set(contender.name, file);
  }
  return files;
}
