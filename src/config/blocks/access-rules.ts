import { METHODS } from 'node:http';
import { z } from 'zod';
import { isProtocolClaim } from '../values/protocol-claims.ts';
import { type Report, rule } from '../values/rule.ts';
import { flag, listOf, misplaced, refuse, scalar, text } from '../values/scalar.ts';

/** A value that a claim is compared with, without conversion. */
type ClaimValue = string | number | boolean;

/** An entry has exactly one of these options. */
const operators = ['any', 'all', 'equals', 'exists', 'emailDomain'] as const;

const noValues = 'is empty; name at least one value, or remove the entry';
const noEntries = 'is empty, so it refuses no one; add an entry or remove it';

/** A condition about one claim. */
const condition = {
  claim: text(readClaim)
    .optional()
    .describe(
      'Name of the claim. The whole name is tried first (`https://example.com/roles`), then the ' +
        'name as a path (`realm_access.roles`). A claim that the ID token lacks is looked for at ' +
        'UserInfo.',
    ),
  any: listOf(claimValue())
    .min(1, noValues)
    .optional()
    .describe('The claim has at least one of these values.'),
  all: listOf(claimValue())
    .min(1, noValues)
    .optional()
    .describe('The claim has every one of these values.'),
  equals: claimValue()
    .optional()
    .describe(
      'The claim is exactly this value. Numbers and booleans are not converted: `true` is not ' +
        '`"true"`. Never holds for a list.',
    ),
  exists: scalar<true, true>((value) =>
    value === true ? value : refuse('must be true; a rule cannot demand that a claim is missing'),
  )
    .optional()
    .describe(
      '`true`: the claim is there, and is neither `null`, an empty text nor an empty list.',
    ),
  emailDomain: listOf(text(readDomain))
    .min(1, 'is empty; name at least one domain, or remove the entry')
    .optional()
    .describe(
      'The claim is one e-mail address at one of these domains, without their subdomains, and ' +
        '`email_verified` is `true` for it.',
    ),
  unverified: flag()
    .optional()
    .describe(
      'With `emailDomain`: `true` accepts addresses that the provider has not verified. Set it ' +
        'only for a provider whose users cannot choose their address.',
    ),
};

const aboutCondition = ['claim', ...operators, 'unverified'] as const;
const aboutEntry = [...aboutCondition, 'anyOf'] as const;

const alternative = z
  .strictObject({
    ...condition,
    anyOf: misplaced('is not possible inside anyOf; put its entries into the outer list'),
    methods: misplaced('is not possible inside anyOf; put it beside anyOf'),
  })
  .check(rule(aboutCondition, judgeCondition));

const anyOf = z
  .array(alternative)
  .min(1, noEntries)
  .optional()
  .describe('Entries of the same form, of which one must hold. It stands instead of `claim`.');

/** One entry of `login.require` or `@Require()`. */
const signInRule = z
  .strictObject({
    ...condition,
    anyOf,
    methods: misplaced('is possible on routes only; remove it or move the entry to a route'),
  })
  .check(rule(aboutEntry, judgeEntry));

/** One entry of `routes[].require`. */
const routeRule = z
  .strictObject({
    ...condition,
    anyOf,
    methods: listOf(text(readMethod))
      .min(1, 'is empty; name at least one method, or remove it to mean all')
      .optional()
      .describe(
        'Methods that the entry applies to. `GET` includes `HEAD`, and a ' +
          'WebSocket counts as `GET`. Without it, all methods.',
      ),
  })
  .check(rule(aboutEntry, judgeEntry));

/** The entries of `login.require`. */
export const signInRules = z.array(signInRule).min(1, noEntries);

/** The entries of `routes[].require`. */
export const routeAccessRules = z.array(routeRule).min(1, noEntries);

/** The options of one entry that must be consistent. */
type RelatedOptions = { readonly [Name in (typeof aboutEntry)[number]]?: unknown };

function judgeEntry(entry: RelatedOptions, report: Report): void {
  if (entry.anyOf === undefined) return judgeCondition(entry, report);
  for (const name of aboutCondition)
    if (entry[name] !== undefined)
      report([name], 'is set beside anyOf; move it into anyOf or to an entry of its own');
}

function judgeCondition(entry: RelatedOptions, report: Report): void {
  const { claim, unverified, emailDomain } = entry;
  const given = operators.filter((name) => entry[name] !== undefined);
  const [first, second] = given;
  if (claim === undefined) report(['claim'], 'is required; name the claim to look at');
  if (first === undefined)
    report([], 'needs any, all, equals, exists or emailDomain, which say what the claim must be');
  if (second !== undefined)
    report([second], `is set beside ${first}; keep one of them, or make it an entry of its own`);
  if (unverified !== undefined && emailDomain === undefined)
    report(['unverified'], 'is set without emailDomain, which alone it concerns; remove it');
}

function readClaim(name: string): string {
  if (isProtocolClaim(name))
    refuse(`is ${name}, which is about the token and is not kept; name a claim about the user`);
  return name;
}

function claimValue() {
  return scalar<ClaimValue, ClaimValue>((value) => {
    if (value === '') return refuse('is empty; use exists to demand that a claim is there');
    if (typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value !== 'number') return refuse('must be text, a number, true or false');
    // Two larger integers can be the same number in JavaScript.
    const isExact = Number.isSafeInteger(value) || !Number.isInteger(value);
    return Number.isFinite(value) && isExact
      ? value
      : refuse('must be a number that JSON can hold exactly; put larger ones in quotes');
  });
}

const domain = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

function readDomain(value: string): string {
  const name = value.toLowerCase();
  if (name.includes('@')) refuse(`must be a domain without @, like ${name.split('@').at(-1)}`);
  if (name.includes('*'))
    refuse('must be a whole domain without *; name every subdomain that counts');
  // Tests `value`, because `toLowerCase` converts the Kelvin sign to an ASCII `k`.
  if (!/^[\x21-\x7e]+$/.test(value))
    refuse('must be written in ASCII, like xn--mnchen-3ya.example');
  return domain.test(name) ? name : refuse('must be a domain, like example.com');
}

function readMethod(name: string): string {
  return METHODS.includes(name)
    ? name
    : refuse(`is ${name}, which is not a method; write it in upper case, like POST`);
}
