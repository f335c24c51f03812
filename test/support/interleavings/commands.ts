import {
  type Arbitrary,
  array,
  boolean,
  constant,
  constantFrom,
  nat,
  oneof,
  record,
  tuple,
} from 'fast-check';

/** The numbers of replicas, browsers and users in a run. */
export const counts = { replicas: 3, browsers: 3, users: 2 } as const;

/** One action, at one of the replicas, this many milliseconds after its group began. */
export type Command = { readonly replica: number; readonly after: number } & (
  | {
      readonly do: 'sign in';
      readonly browser: number;
      readonly user: number;
      readonly callbackAt: number;
    }
  | { readonly do: 'call'; readonly browser: number; readonly manner: CallManner }
  | { readonly do: 'sign out'; readonly browser: number }
  | { readonly do: 'end the others'; readonly browser: number }
  | { readonly do: 'log out by sub'; readonly user: number }
  | { readonly do: 'log out by sid'; readonly browser: number; readonly user: number }
);

/**
 * `refused`: the API does not accept the first token it gets; `hung up`: the client does not wait
 * for the response.
 */
export type CallManner = 'plain' | 'refused' | 'hung up';

/** The commands of one run. */
export interface RunPlan {
  /** A group begins when all commands of the group before have their responses. */
  readonly groups: readonly (readonly Command[])[];
  /**
   * For each access token in turn: whether it has expired when it is issued, so that the next call
   * needs another.
   */
  readonly expired: readonly boolean[];
  /** Decides how long Redis and the authorization server take each time; 0: no time at all. */
  readonly pace: number;
}

const below = (count: number) => nat({ max: count - 1 });
const at = { replica: below(counts.replicas), after: nat({ max: 6 }) };
const browser = below(counts.browsers);
const user = below(counts.users);

const signIn = record({
  do: constant('sign in' as const),
  browser,
  user,
  ...at,
  callbackAt: below(counts.replicas),
});
const manner = constantFrom<CallManner>('plain', 'plain', 'plain', 'refused', 'hung up');
const call = record({ do: constant('call' as const), browser, manner, ...at });
const signOut = record({ do: constant('sign out' as const), browser, ...at });
const endOthers = record({ do: constant('end the others' as const), browser, ...at });
const bySub = record({ do: constant('log out by sub' as const), user, ...at });
const bySid = record({ do: constant('log out by sid' as const), browser, user, ...at });

const anything: Arbitrary<Command> = oneof(
  { weight: 6, arbitrary: call },
  { weight: 4, arbitrary: signIn },
  { weight: 3, arbitrary: signOut },
  { weight: 1, arbitrary: endOthers },
  { weight: 2, arbitrary: bySub },
  { weight: 1, arbitrary: bySid },
);

const begin = array<Command>(signIn, { minLength: 1, maxLength: 2 });
const group = array(anything, { minLength: 1, maxLength: 4 });

/** About three to eight commands: first a sign-in, then any others. */
export const runPlans: Arbitrary<RunPlan> = record({
  groups: tuple(begin, array(group, { minLength: 1, maxLength: 3 })).map(([first, others]) => [
    first,
    ...others,
  ]),
  expired: array(boolean(), { minLength: 1, maxLength: 4 }),
  pace: nat(),
});

/** Describes a run in words. */
export function describePlan({ groups, expired, pace }: RunPlan): string {
  const lines = groups.flatMap((commands, number) => [
    `${number === 0 ? 'At first' : 'Then'}, together:`,
    ...commands.map((each) => `  ${describeCommand(each)}`),
  ]);
  const lifetimes = expired.map((isExpired) => (isExpired ? 'expired' : 'good')).join(', ');
  return [...lines, `Access tokens in turn: ${lifetimes}. Pace: ${pace}.`].join('\n');
}

/** Describes a command in words. */
export function describeCommand(command: Command): string {
  const { replica, after } = command;
  return `${whatIsDone(command)} at replica ${replica} after ${after} ms`;
}

function whatIsDone(command: Command): string {
  switch (command.do) {
    case 'sign in':
      return `browser ${command.browser} signs in as user ${command.user} (comes back to replica ${command.callbackAt})`;
    case 'call':
      return `browser ${command.browser} makes a ${command.manner} call`;
    case 'sign out':
      return `browser ${command.browser} signs out`;
    case 'end the others':
      return `browser ${command.browser} ends the user's other sessions`;
    case 'log out by sub':
      return `the provider logs user ${command.user} out everywhere`;
    case 'log out by sid':
      return `the provider logs user ${command.user} out of browser ${command.browser}`;
  }
}
