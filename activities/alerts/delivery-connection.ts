import { randomInt } from "node:crypto";
import { Connection } from "../database/connection.ts";

/** Held by the session, with the number of its deliverer: what a deliverer that is gone has claimed is free at once. */
const LIVING_LOCK_ID = 718_204_016;
const DELIVERER_NUMBERS = 2 ** 31 - 1;

/** Far above the bound of a try: what a deliverer that hangs has claimed is sent again by somebody else. */
export const CLAIM_MS = 60_000;

export type DeliveryConnection = { readonly connection: Connection; readonly deliverer: number };

/** A connection of one deliverer, by whose session PostgreSQL knows that it lives. `onNotice`: something was made that is to be sent. */
export function openDeliveryConnection(
	url: string,
	as: { readonly applicationName: string; readonly listensTo: string; readonly onNotice: () => void },
): DeliveryConnection {
	const deliverer = randomInt(1, DELIVERER_NUMBERS);
	const connection = new Connection({
		url,
		applicationName: as.applicationName,
		statementTimeoutMs: 8_000,
		onOpen: async (client) => {
			client.on("notification", as.onNotice);
			// Shared: a connection that was lost may still hold it for a while.
			await client.query(`LISTEN ${as.listensTo}; SELECT pg_advisory_lock_shared(${LIVING_LOCK_ID}, ${deliverer})`);
		},
	});
	return { connection, deliverer };
}
