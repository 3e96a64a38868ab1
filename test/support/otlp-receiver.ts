import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import protobuf from "protobufjs";
import { until } from "./until.ts";

/**
 * Stands in for an OpenTelemetry Collector: takes `POST /v1/traces` with protobuf and reads it by the official definitions (field numbers of
 * opentelemetry/proto/collector/trace/v1/trace_service.proto, trace/v1/trace.proto, common/v1/common.proto and resource/v1/resource.proto of
 * open-telemetry/opentelemetry-proto 1.x), not by the code that wrote it.
 */
const repeated = (type: string, id: number) => ({ rule: "repeated", type, id }) as const;
const one = (type: string, id: number) => ({ type, id }) as const;

const DEFINITIONS = protobuf.Root.fromJSON({
	nested: {
		Request: { fields: { resourceSpans: repeated("ResourceSpans", 1) } },
		ResourceSpans: { fields: { resource: one("Resource", 1), scopeSpans: repeated("ScopeSpans", 2), schemaUrl: one("string", 3) } },
		Resource: { fields: { attributes: repeated("KeyValue", 1), droppedAttributesCount: one("uint32", 2) } },
		ScopeSpans: { fields: { scope: one("Scope", 1), spans: repeated("Span", 2), schemaUrl: one("string", 3) } },
		Scope: { fields: { name: one("string", 1), version: one("string", 2), attributes: repeated("KeyValue", 3), droppedAttributesCount: one("uint32", 4) } },
		Span: {
			fields: {
				traceId: one("bytes", 1),
				spanId: one("bytes", 2),
				traceState: one("string", 3),
				parentSpanId: one("bytes", 4),
				name: one("string", 5),
				kind: one("uint32", 6),
				startTimeUnixNano: one("fixed64", 7),
				endTimeUnixNano: one("fixed64", 8),
				attributes: repeated("KeyValue", 9),
				droppedAttributesCount: one("uint32", 10),
				events: repeated("Event", 11),
				droppedEventsCount: one("uint32", 12),
				links: repeated("Link", 13),
				droppedLinksCount: one("uint32", 14),
				status: one("Status", 15),
				flags: one("fixed32", 16),
			},
		},
		Event: {
			fields: { timeUnixNano: one("fixed64", 1), name: one("string", 2), attributes: repeated("KeyValue", 3), droppedAttributesCount: one("uint32", 4) },
		},
		Link: { fields: { traceId: one("bytes", 1), spanId: one("bytes", 2) } },
		Status: { fields: { message: one("string", 2), code: one("uint32", 3) } },
		KeyValue: { fields: { key: one("string", 1), value: one("AnyValue", 2) } },
		AnyValue: {
			oneofs: { value: { oneof: ["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"] } },
			fields: {
				stringValue: one("string", 1),
				boolValue: one("bool", 2),
				intValue: one("int64", 3),
				doubleValue: one("double", 4),
				arrayValue: one("ArrayValue", 5),
				kvlistValue: one("KeyValueList", 6),
				bytesValue: one("bytes", 7),
			},
		},
		ArrayValue: { fields: { values: repeated("AnyValue", 1) } },
		KeyValueList: { fields: { values: repeated("KeyValue", 1) } },
	},
});
const REQUEST = DEFINITIONS.lookupType("Request");

export type AttributeValue = string | number | boolean | readonly AttributeValue[] | null;

export type ReceivedSpan = {
	readonly name: string;
	/** 3 = client. */
	readonly kind: number;
	/** Hex; "" where there is no parent. */
	readonly traceId: string;
	readonly spanId: string;
	readonly parentSpanId: string;
	readonly traceState: string;
	readonly startNano: bigint;
	readonly endNano: bigint;
	readonly attributes: Readonly<Record<string, AttributeValue>>;
	readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, AttributeValue>> }[];
	/** 2 = error. */
	readonly status: { readonly code: number; readonly message: string };
	readonly resource: Readonly<Record<string, AttributeValue>>;
	readonly scope: string;
};

export type OtlpReceiver = {
	/** For OTEL_EXPORTER_OTLP_ENDPOINT. */
	readonly url: string;
	readonly spans: ReceivedSpan[];
	/** Everything as it came, for searches. */
	readonly bodies: Buffer[];
	readonly headers: IncomingMessage["headers"][];
	/** What it does with the next messages; `hang` answers none until it does something else. */
	behave(behaviour: "take" | "hang" | number): void;
	/** As soon as it has so many. */
	whenSpans(count: number): Promise<readonly ReceivedSpan[]>;
	close(): Promise<void>;
};

type Wire = Readonly<Record<string, unknown>>;

/** On a free port of the loopback, or on `port`. */
export async function startOtlpReceiver(port = 0): Promise<OtlpReceiver> {
	const spans: ReceivedSpan[] = [];
	const bodies: Buffer[] = [];
	const headers: IncomingMessage["headers"][] = [];
	let behaviour: "take" | "hang" | number = "take";
	let hanging: (() => void)[] = [];
	const answer = (request: IncomingMessage, response: ServerResponse, chunks: Buffer[]): void => {
		if (behaviour === "hang") {
			hanging.push(() => answer(request, response, chunks));
			return;
		}
		if (behaviour !== "take") {
			response.writeHead(behaviour).end();
			return;
		}
		const received = Buffer.concat(chunks);
		const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(received) : received;
		if (request.method !== "POST" || request.url !== "/v1/traces" || request.headers["content-type"] !== "application/x-protobuf") {
			response.writeHead(400).end();
			return;
		}
		headers.push(request.headers);
		bodies.push(body);
		spans.push(...readRequest(body));
		response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
	};
	const server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on("data", (chunk: Buffer) => chunks.push(chunk));
		request.on("end", () => answer(request, response, chunks));
	});
	await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		spans,
		bodies,
		headers,
		behave(next) {
			behaviour = next;
			const waiting = hanging;
			hanging = [];
			for (const answerNow of waiting) answerNow();
		},
		async whenSpans(count) {
			await until(`${count} spans`, () => spans.length >= count);
			return spans;
		},
		close: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
}

function readRequest(body: Buffer): ReceivedSpan[] {
	const message = REQUEST.decode(body);
	const request = REQUEST.toObject(message, { longs: String, bytes: Buffer, arrays: true, objects: true, defaults: false }) as Wire;
	return listOf(request["resourceSpans"]).flatMap((group) => {
		const resource = attributesOf((group["resource"] as Wire | undefined)?.["attributes"]);
		return listOf(group["scopeSpans"]).flatMap((scoped) =>
			listOf(scoped["spans"]).map((span) => readSpan(span, { resource, scope: String((scoped["scope"] as Wire | undefined)?.["name"] ?? "") })),
		);
	});
}

function readSpan(span: Wire, from: Pick<ReceivedSpan, "resource" | "scope">): ReceivedSpan {
	const status = (span["status"] ?? {}) as Wire;
	return {
		name: String(span["name"]),
		kind: Number(span["kind"]),
		traceId: hexOf(span["traceId"]),
		spanId: hexOf(span["spanId"]),
		parentSpanId: hexOf(span["parentSpanId"]),
		traceState: String(span["traceState"] ?? ""),
		startNano: BigInt(String(span["startTimeUnixNano"])),
		endNano: BigInt(String(span["endTimeUnixNano"])),
		attributes: attributesOf(span["attributes"]),
		events: listOf(span["events"]).map((event) => ({ name: String(event["name"]), attributes: attributesOf(event["attributes"]) })),
		status: { code: Number(status["code"] ?? 0), message: String(status["message"] ?? "") },
		...from,
	};
}

function attributesOf(pairs: unknown): Record<string, AttributeValue> {
	const read: Record<string, AttributeValue> = {};
	for (const { key, value } of listOf(pairs)) {
		if (String(key) in read) throw new Error(`the attribute ${String(key)} stands twice`);
		read[String(key)] = attributeValueOf(value as Wire);
	}
	return read;
}

function attributeValueOf(value: Wire | undefined): AttributeValue {
	const [[kind, content] = []] = Object.entries(value ?? {});
	if (kind === "arrayValue") return listOf((content as Wire)["values"]).map(attributeValueOf);
	if (kind === "intValue") return Number(content);
	return kind === undefined ? null : (content as AttributeValue);
}

function listOf(value: unknown): readonly Wire[] {
	return (value ?? []) as readonly Wire[];
}

function hexOf(bytes: unknown): string {
	return bytes instanceof Uint8Array ? Buffer.from(bytes).toString("hex") : "";
}
