import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { createOtlpTelemetry, type OtlpOptions } from "#activities/telemetry/otlp.ts";
import type { ProviderTable } from "#config/providers.ts";
import { createFakeAuthority, type FakeAuthority, keyIdentity, TEST_KEY } from "./fake-authority.ts";
import { testPriceBook } from "./gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "./gateway-server.ts";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "./otlp-receiver.ts";
import { type SimulatedProvider, startSimulatedProvider } from "./simulated-provider.ts";

type RecordedAttempt = FakeAuthority["attempts"][number];

export type TelemetryStand = {
	readonly provider: SimulatedProvider;
	/** Of the test that has begun. */
	readonly receiver: OtlpReceiver;
	readonly authority: FakeAuthority;
	readonly gateway: TestGateway;
	/** The gateway anew, with other options, before another provider or with another table of them. */
	start(options?: Partial<OtlpOptions>, providerUrl?: string, table?: ProviderTable): Promise<void>;
	/** The span of the only call. */
	onlySpan(): Promise<ReceivedSpan>;
	/** The attempt of the only call, as it was booked. */
	onlyAttempt(): RecordedAttempt;
};

/**
 * For each test of the file that asks for it: a gateway whose calls leave as spans, with books and a receiver of its own, which reads them by
 * the official definitions as a collector does.
 */
export function useTelemetryStand(): TelemetryStand {
	let provider: SimulatedProvider | undefined;
	let receiver: OtlpReceiver | undefined;
	let authority: FakeAuthority | undefined;
	let gateway: TestGateway | undefined;
	const stand: TelemetryStand = {
		get provider() {
			return begun(provider);
		},
		get receiver() {
			return begun(receiver);
		},
		get authority() {
			return begun(authority);
		},
		get gateway() {
			return begun(gateway);
		},
		async start(options = {}, providerUrl = stand.provider.url, table) {
			await gateway?.close();
			const telemetry = createOtlpTelemetry({ ...optionsOf(stand.receiver.url), ...options });
			gateway = await startTestGateway({ authority: stand.authority, providerUrl, telemetry, ...(table && { table }) });
		},
		async onlySpan() {
			await stand.receiver.whenSpans(1);
			return only(stand.receiver.spans);
		},
		onlyAttempt: () => only(stand.authority.attempts),
	};
	beforeAll(async () => {
		provider = await startSimulatedProvider();
	});
	afterAll(() => provider?.close());
	beforeEach(async () => {
		receiver = await startOtlpReceiver();
		authority = createFakeAuthority(testPriceBook());
		authority.keys.set(TEST_KEY, keyIdentity({ teamId: "demo", feature: "search", userId: "ada", environment: "prod" }));
		await stand.start();
		return async () => {
			await gateway?.close();
			await receiver?.close();
		};
	});
	return stand;
}

/** What the attribute `name` says, which is JSON. */
export function messagesIn(span: ReceivedSpan, name: string): unknown {
	return JSON.parse(String(span.attributes[name]));
}

function optionsOf(receiverUrl: string): OtlpOptions {
	return {
		url: `${receiverUrl}/v1/traces`,
		headers: { "x-api-key": "receiver-key" },
		timeoutMs: 2_000,
		compression: "none",
		resource: { "service.name": "tollgate" },
		sampler: { parentBased: true, share: 1 },
		contentBytesMax: undefined,
		queueMax: 100,
		batchMax: 8,
		delayMs: 1,
		onProblem: () => undefined,
		onRecovered: () => undefined,
	};
}

function begun<Thing>(thing: Thing | undefined): Thing {
	if (thing === undefined) throw new Error("no test has begun");
	return thing;
}

function only<Thing>(things: readonly Thing[]): Thing {
	expect(things).toHaveLength(1);
	return begun(things[0]);
}
