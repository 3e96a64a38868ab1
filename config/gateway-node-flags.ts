/**
 * Options of the Node process of a gateway. Calls leave short-lived garbage: a young generation of three times 4 MiB collects it about as
 * cheaply as the default of three times 16, which a busy gateway keeps for good. `npm run bench -- --only governed` shows memory and calls a second.
 */
export const GATEWAY_NODE_FLAGS: readonly string[] = ["--enable-source-maps", "--max-semi-space-size=4"];
