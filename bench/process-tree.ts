import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** What a process and all below it have used and hold. */
export interface Usage {
  /**
   * Processor time since the start, in microseconds, user and system, also of children that have
   * ended.
   */
  readonly cpu: number;
  /** Resident memory, in bytes. Pages that several of its processes share are counted for each. */
  readonly resident: number;
}

// Linux says it in hundredths of a second everywhere (getconf CLK_TCK).
const microsecondsPerTick = 10_000;

/**
 * What the process tree below and including `pid` has used. Without `/proc`, on another system than
 * Linux: not a number.
 */
export function usageOf(pid: number): Usage {
  if (!existsSync('/proc/self/stat')) return { cpu: NaN, resident: NaN };
  const all = readAll();
  const tree = [pid];
  for (const parent of tree) {
    for (const [child, stat] of all) if (stat.parent === parent) tree.push(child);
  }
  const stats = tree.flatMap((each) => all.get(each) ?? []);
  return {
    cpu: stats.reduce((sum, { ticks }) => sum + ticks, 0) * microsecondsPerTick,
    resident: stats.reduce((sum, { resident }) => sum + resident, 0),
  };
}

interface Stat {
  readonly parent: number;
  readonly ticks: number;
  readonly resident: number;
}

function readAll(): Map<number, Stat> {
  const all = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(name);
    if (stat) all.set(Number(name), stat);
  }
  return all;
}

/**
 * proc_pid_stat(5); the name of the program, in brackets, may hold anything. Absent: the process
 * has just ended.
 */
function readStat(pid: string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const field = (number: number) => fields[number - 3] ?? 0;
    const ticks = field(14) + field(15) + field(16) + field(17);
    return { parent: field(4), ticks, resident: field(24) * 4096 };
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code)))
      return undefined;
    throw error;
  }
}
