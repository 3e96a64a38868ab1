import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createOpaDecider } from "#activities/decisions/opa/decider.ts";
import { loadSettings } from "#config/load.ts";
import type { ProviderTable } from "#config/providers.ts";
import { openDecider } from "#gateway/open-decider.ts";
import { callFacts } from "#test/support/call-facts.ts";
import { createFakeAuthority, type FakeAuthority, keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { simulatedProviderTable, startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { findOpa, HOW_TO_GET_OPA, type OpaServer, startOpaServer } from "#test/support/opa-server.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import { chatBody, rawCall } from "#test/support/raw-call.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** The real OPA server with the example policy, asked by a gateway. */

const POLICY = path.join(PROJECT_FOLDER, "examples/opa/tollgate.rego");
const DOCUMENT = "/v1/data/tollgate/call";
const PATIENT_MS = 30_000;
const binary = findOpa();

// Building the server takes minutes and Go; every answer it can give is played by the wire-checking server of the unit tests.
if (binary === undefined) test.skip(`real OPA: ${HOW_TO_GET_OPA}`, () => undefined);
else withOpa(binary);

function withOpa(file: string): void {
	let opa: OpaServer;
	let provider: SimulatedProvider;
	let gateway: TestGateway;
	let authority: FakeAuthority;

	beforeAll(async () => {
		opa = await startOpaServer(file, [POLICY]);
		provider = await startSimulatedProvider();
	});
	afterAll(() => Promise.all([opa.close(), provider.close()]));

	beforeEach(async () => {
		authority = createFakeAuthority(testPriceBook());
		const log = { info: () => undefined, warn: (...line: unknown[]) => expect(line).toEqual([]) };
		const settings = loadSettings({ OPA_URL: `${opa.url}${DOCUMENT}`, OPA_TIMEOUT_MS: String(PATIENT_MS) });
		gateway = await startTestGateway({ authority, providerUrl: provider.url, table: bothModels(provider.url), decisions: await openDecider(settings, log) });
		return () => gateway.close();
	});

	const call = (changes: Readonly<Record<string, unknown>>) => rawCall(gateway.url, { body: chatBody({}, changes) });
	const reasonOf = (body: Buffer): unknown => (JSON.parse(body.toString()) as { error: { message: unknown } }).error.message;

	describe("the example policy, at a gateway", () => {
		test("allows what no rule refuses", async () => {
			expect((await call({ model: "gpt-4o-mini" })).status).toBe(200);
			expect(authority.attempts).toHaveLength(1);
		});

		test("keeps the dear model for one team", async () => {
			const answer = await call({ model: "gpt-4o" });
			expect(answer.status).toBe(403);
			expect(reasonOf(answer.body)).toContain("The model gpt-4o is for team research; ask for gpt-4o-mini.");
			expect(authority.attempts).toEqual([]);
			authority.keys.set(TEST_KEY, keyIdentity({ teamId: "research" }));
			expect((await call({ model: "gpt-4o" })).status).toBe(200);
		});

		test("takes tools away from an environment, and honours a claim only against the caller", async () => {
			authority.keys.set(TEST_KEY, keyIdentity({ environment: "staging" }));
			const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
			const answer = await call({ model: "gpt-4o-mini", tools, metadata: { job: "paused" } });
			expect(answer.status).toBe(403);
			expect(reasonOf(answer.body)).toContain("Calls of environment staging may not bring tools.");
			expect(reasonOf(answer.body)).toContain("This job may not call models.");
			expect((await call({ model: "gpt-4o-mini" })).status).toBe(200);
		});

		test("a policy that changes holds once remembered decisions are over, and one that is gone allows nothing", async () => {
			const settings = loadSettings({ OPA_URL: `${opa.url}/v1/data/changing/allow`, OPA_CACHE_MS: "0", OPA_TIMEOUT_MS: String(PATIENT_MS) });
			const { decider } = await openDecider(settings, { info: () => undefined, warn: () => undefined });
			const decide = async (policy: string) => {
				const put = await fetch(`${opa.url}/v1/policies/changing`, { method: "PUT", body: policy });
				expect(put.status).toBe(200);
				return decider.decide(callFacts());
			};
			expect(await decide("package changing\nallow := true")).toEqual({ kind: "allowed" });
			expect(await decide("package changing\nallow := false")).toEqual({ kind: "denied", reasons: [] });
			expect(await decide('package changing\nallow if input.team == "nobody"')).toMatchObject({ kind: "denied" });
			expect(await decide("package changing\nallow := 1")).toMatchObject({ kind: "undecided" });
			expect((await fetch(`${opa.url}/v1/policies/changing`, { method: "DELETE" })).status).toBe(200);
			expect(await decider.decide(callFacts())).toMatchObject({ kind: "denied", reasons: [expect.stringContaining("no rule")] });
			await decider.close();
		});
	});

	test("what its rules say of bounds is decided as documented", async () => {
		const decider = createOpaDecider({ url: `${opa.url}${DOCUMENT}`, timeoutMs: PATIENT_MS });
		const kindOf = async (boundNanoUsd: string) => (await decider.decide(callFacts({ boundNanoUsd }))).kind;
		expect(await kindOf("268435456")).toBe("allowed");
		expect(await kindOf("268435457")).toBe("denied");
		await decider.close();
	});

	test("a server that asks for a token and gets none, or another, decides nothing", async () => {
		const authorization = path.join(import.meta.dirname, "token.rego");
		const guarded = await startOpaServer(file, [POLICY, authorization], ["--authentication=token", "--authorization=basic"]);
		const kindWith = async (token: string | undefined) => {
			const decider = createOpaDecider({ url: `${guarded.url}${DOCUMENT}`, token, timeoutMs: PATIENT_MS });
			const { kind } = await decider.decide(callFacts());
			await decider.close();
			return kind;
		};
		try {
			expect([await kindWith("right"), await kindWith("wrong"), await kindWith(undefined)]).toEqual(["allowed", "undecided", "undecided"]);
		} finally {
			await guarded.close();
		}
	});
}

/** The two models of the example policy, at one price. */
function bothModels(providerUrl: string): ProviderTable {
	const deployments = [{ provider: "openai", model: "gpt-4o", pricedAsModel: "gpt-4o" }];
	return { ...simulatedProviderTable(providerUrl), aliases: { "gpt-4o": deployments, "gpt-4o-mini": deployments } };
}

test("docs/decisions.md names every fact that a policy sees", () => {
	const documented = readFileSync(path.join(PROJECT_FOLDER, "docs/decisions.md"), "utf8");
	const rows = [...documented.matchAll(/^\| (`.+?`) \| (?:decimal )?(?:string|boolean|object)/gm)].flatMap(([, names = ""]) =>
		names.split(", ").map((name) => name.replaceAll("`", "")),
	);
	expect(rows.sort()).toEqual(Object.keys(callFacts()).sort());
});
