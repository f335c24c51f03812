import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Option, optionsOf } from '../src/config/catalogue.ts';
import { optionsSchema } from '../src/config/options.ts';
import { variablesOf } from '../src/config/sources/variables.ts';

const page = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));

const introduction = `<!-- Generated from src/config by \`npm run docs\`. Change the descriptions there, not here. -->

# Configuration

You can set options in \`bff.yaml\` and in the environment. This is the smallest file that works, for one OpenID Connect
provider, one API and a built frontend:

\`\`\`yaml
# bff.yaml
publicUrl: https://app.example.com
redis: { url: redis://redis:6379 }
session: { secrets: ['\${BFF_SESSION_SECRET}'] } # openssl rand -base64 48
providers:
  - id: corp
    issuer: https://login.example.com
    clientId: app
    clientSecret: \${OIDC_SECRET}
routes:
  - { path: /api, upstream: http://api:3000 }
frontend: { directory: ./web }
\`\`\`

Register \`https://app.example.com/bff/callback\` as redirect URI and \`https://app.example.com/bff/logout/callback\` as
post-logout redirect URI at the provider. Without a file, use variables:

\`\`\`sh
BFF_PUBLIC_URL=https://app.example.com
BFF_REDIS_URL=redis://redis:6379
BFF_SESSION_SECRET_FILE=/run/secrets/session
BFF_OIDC_ISSUER=https://login.example.com
BFF_OIDC_CLIENT_ID=app
BFF_OIDC_CLIENT_SECRET_FILE=/run/secrets/oidc
BFF_API_PATH=/api
BFF_API_UPSTREAM=http://api:3000
BFF_FRONTEND_DIR=/srv/web
\`\`\`

## How a configuration is read

- **The file** is the one given with \`--config\`, or the one in \`BFF_CONFIG\`, or \`bff.yaml\` in the working directory. It is
  optional. It is YAML; JSON is YAML too. A key without a value counts as absent.
- **The environment wins** over the file. A variable's name is the option's path: \`session.idle\` is \`BFF_SESSION_IDLE\`.
  The entries of a list are separated by commas. An empty variable counts as unset.
- **\`BFF_OIDC_…\`** describes the provider with the id \`default\`, which is added if the file has none. **\`BFF_API_…\`**
  describes one route, at \`/api\` or \`BFF_API_PATH\`. It is added or, if the file has that path, changed.
- **\`<NAME>_FILE\`** in place of any variable names a file that holds the value, as container secrets do.
- **\`\${NAME}\`** inside a value of the file is replaced by the variable \`NAME\`, or by the content of the file that \`NAME_FILE\` names.
  An unset variable is a mistake.
- **Durations** have a unit: \`500ms\`, \`10s\`, \`30m\`, \`8h\`, \`7d\`. **Sizes** are 1024-based: \`64kb\`, \`50mb\`, \`1gb\`, or a
  number of bytes.
- **Relative paths** are relative to the folder of the file that contains them, those of the environment to the working
  directory.
- **A mistake stops the start**, and every mistake is named at once. Unknown keys are mistakes at every level. Unknown
  \`BFF_…\` variables cause only warnings, because Kubernetes adds some for a service called \`bff\`. If one of them collides
  with an option (a service called \`bff-server\` sets \`BFF_SERVER_PORT\`), set \`enableServiceLinks: false\` on the pod.
- Options marked *later release* are refused; they are never ignored silently.
`;

const catalogue = optionsOf(optionsSchema);

function render(): string {
  const blocks = catalogue.filter(
    ({ path, kind }) => path.length === 1 && kind.startsWith('block'),
  );
  const general = catalogue.filter(
    ({ path, kind }) => path.length === 1 && !kind.startsWith('block'),
  );
  const sections = blocks.map((option) => {
    const [block] = option.path;
    const below = catalogue.filter(({ path }) => path.length > 1 && path[0] === block);
    return section(`\`${block}\``, descriptionOf(option), below);
  });
  const first = section('General', 'Options at the top level of the file.', general);
  return [introduction, first, ...sections].join('\n');
}

/** A block that can be replaced by `false` has a variable for that. */
function descriptionOf(option: Option): string {
  if (!option.mayBeFalse) return option.description;
  return `${option.description} In the environment: \`${variablesOf(option)[0]}=false\`.`;
}

function section(title: string, description: string, options: readonly Option[]): string {
  const rows = options.filter((option) => isListed(option)).map(row);
  const head = ['| option | default | environment | what it changes |', '|---|---|---|---|'];
  return [`## ${title}`, '', description, '', ...head, ...rows, ''].join('\n');
}

/** Blocks are told from their options. Entries of `anyOf` have the form of the list around it. */
function isListed({ kind, path }: Option): boolean {
  if (path.includes('anyOf')) return path.at(-1) === 'anyOf';
  return kind !== 'block' && (kind !== 'blocks' || path.length > 1);
}

function row(option: Option): string {
  const name = option.path.join('.').replaceAll('.*', '[]');
  const variables = variablesOf(option).map((variable) => `\`${variable}\``);
  const changes = `${option.description}${choices(option)}`;
  const cells = [`\`${name}\``, fallback(option), variables.join('<br>') || '–', changes];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The default as it would be written; what is required only within an optional block says so. */
function fallback(option: Option): string {
  if (option.isRequired) {
    const parents = option.path.slice(0, -1).map((_, depth) => option.path.slice(0, depth + 1));
    const optional = catalogue.find(
      ({ path, kind, isRequired, fallback: value }) =>
        kind === 'block' &&
        !isRequired &&
        value === undefined &&
        parents.some((parent) => parent.join() === path.join()),
    );
    return optional ? `required in \`${optional.path.join('.')}\`` : '**required**';
  }
  const value = option.fallback;
  if (value === undefined) return '–';
  if (Array.isArray(value)) return value.length > 0 ? `\`${value.join(', ')}\`` : 'none';
  return typeof value === 'object' ? 'none' : `\`${String(value)}\``;
}

function choices({ notes, description }: Option): string {
  const now = notes.choices ?? [];
  const isTold = now.every((word) => description.includes(`\`${word}\``));
  return isTold ? '' : ` Values: ${spell(now)}.`;
}

function spell(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(', ');
}

const rendered = render();
if (!process.argv.includes('--check')) writeFileSync(page, rendered);
else if (!existsSync(page) || readFileSync(page, 'utf8') !== rendered) {
  process.stderr.write('docs/configuration.md is not what src/config says; run: npm run docs\n');
  process.exitCode = 1;
}
