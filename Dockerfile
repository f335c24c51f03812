FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image brings Node.js itself; the `node` development dependency is for machines that have none.
RUN npm ci --ignore-scripts

FROM dependencies AS build
COPY nest-cli.json tsconfig.json tsconfig.build.json ./
COPY scripts/bundle.ts ./scripts/
COPY src ./src
COPY client ./client
RUN npm run build && npm prune --omit=dev --ignore-scripts

# The demo's authorization server and API: development dependencies, never part of the product's image.
FROM dependencies AS demo
COPY demo ./demo
USER node
ENTRYPOINT ["node"]

FROM node:24-bookworm-slim AS pixie-bff
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
USER node
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.BFF_MANAGEMENT_PORT ?? 9090) + '/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The flags are those of src/server/v8-flags.ts.
ENTRYPOINT ["node", "--external-memory-accounted-in-global-limit", "--no-allocation-site-pretenuring", "--min-semi-space-size=16", "--max-semi-space-size=32", "dist/main.js"]
