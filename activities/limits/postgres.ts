import type { RateReply } from "#domain/limits/rate-exchange.ts";
import type { Connection } from "../database/connection.ts";
import type { RateAuthority } from "./port.ts";

const TAKE_RATE =
	"SELECT tollgate.take_rate($1, $2, $3, $4::text[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) AS reply";

type Wire = RateReply & { readonly fenced?: boolean };

/** Rates over PostgreSQL for one gateway epoch, on the connection that grants are asked on. */
export function createPostgresRates({ asking, gatewayId, epoch }: { asking: Connection; gatewayId: string; epoch: bigint }): RateAuthority {
	return {
		async takeRates({ seq, asks, needs }) {
			const values = [
				gatewayId,
				epoch.toString(),
				seq,
				asks.map(({ counter }) => counter),
				asks.map(({ isLevel }) => isLevel),
				asks.map(({ limit }) => limit),
				asks.map(({ share }) => share),
				asks.map(({ idle }) => idle),
				asks.map(({ lookahead }) => lookahead),
				asks.map(({ freesInMs }) => (freesInMs === null ? null : Math.ceil(freesInMs))),
				needs.flat(),
			];
			const reply = (await asking.query<{ reply: Wire }>("take_rate", TAKE_RATE, values))[0]?.reply;
			if (reply === undefined) throw new Error("tollgate.take_rate returned no row");
			return reply.fenced ? { isFenced: true } : reply;
		},
	};
}
