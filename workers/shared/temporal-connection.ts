import { Client, Connection } from "@temporalio/client";

/** Left alone, gRPC waits up to two minutes between attempts to connect. */
const RECONNECT_QUICKLY = { "grpc.initial_reconnect_backoff_ms": 250, "grpc.max_reconnect_backoff_ms": 2_000 };

/** A client whose process starts while Temporal is away. */
export function openTemporalClient(of: { readonly temporalAddress: string; readonly temporalNamespace: string }): {
	readonly connection: Connection;
	readonly client: Client;
} {
	const connection = Connection.lazy({ address: of.temporalAddress, connectTimeout: 2_000, channelArgs: RECONNECT_QUICKLY });
	return { connection, client: new Client({ connection, namespace: of.temporalNamespace }) };
}
