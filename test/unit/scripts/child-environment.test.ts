import { expect, test } from "vitest";
import { GATEWAY_ALLOCATOR } from "#config/gateway-process.ts";
import { loadSettings } from "#config/load.ts";
import { WORKER_ALLOCATOR } from "#config/worker-process.ts";
import { gatewayEnvironment, workerEnvironment } from "../../../scripts/start/child-environment.ts";
import { type Plan, PRODUCT_ENTRIES } from "../../../scripts/start/plan.ts";

const plan: Plan = {
	settings: loadSettings({}),
	entries: PRODUCT_ENTRIES,
	ports: { gateway: 4000, admin: 4001, postgres: 4002, temporal: 4003, temporalUi: 4004, provider: 4005 },
	gatewayIds: ["g1"],
	realProviders: [],
	missingKeys: [],
};
const addresses = { databaseUrl: "postgres://h/d", temporalAddress: "h:7233", simulatedProviderUrl: null };
const gatewayIn = (environment: NodeJS.ProcessEnv) => gatewayEnvironment(plan, addresses, 0, environment);

test("a gateway runs with the allocator it was measured with, unless its operator says otherwise", () => {
	expect(Object.keys(GATEWAY_ALLOCATOR).length).toBeGreaterThan(0);
	expect(gatewayIn({})).toMatchObject(GATEWAY_ALLOCATOR);
	expect(gatewayIn({ MALLOC_ARENA_MAX: "4" })).toMatchObject({ ...GATEWAY_ALLOCATOR, MALLOC_ARENA_MAX: "4" });
});

test("so does a worker", () => {
	expect(workerEnvironment(plan, addresses, {})).toMatchObject(WORKER_ALLOCATOR);
	expect(workerEnvironment(plan, addresses, { MALLOC_ARENA_MAX: "4" })).toMatchObject({ ...WORKER_ALLOCATOR, MALLOC_ARENA_MAX: "4" });
});

test("where policy is decided is told to the gateways alone", () => {
	const opa = { OPA_URL: "http://127.0.0.1:8181/v1/data/tollgate/call", OPA_TOKEN_FILE: "/run/secrets/opa" };
	expect(gatewayIn(opa)).toMatchObject(opa);
	expect(Object.keys(workerEnvironment(plan, addresses, opa)).filter((name) => name.startsWith("OPA_"))).toEqual([]);
});

test("where calls and items of batches are shown as spans is told to gateways and workers", () => {
	const spans = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318", OTEL_EXPORTER_OTLP_HEADERS: "a=b", TOLLGATE_SPAN_CONTENT_KILOBYTES: "8" };
	expect(gatewayIn(spans)).toMatchObject(spans);
	expect(workerEnvironment(plan, addresses, spans)).toMatchObject(spans);
});

test("the worker is given the secrets of alert channels by name, no others, the keys of providers, and the address of the runbooks", () => {
	const environment = {
		SLACK_WEBHOOK_URL: "https://hooks.slack.example/x",
		OPENAI_API_KEY: "sk-1",
		CLOUD_SECRET: "s",
		TOLLGATE_RUNBOOKS_URL: "https://runbooks.example",
		TOLLGATE_ALERT_VARIABLES: "SLACK_WEBHOOK_URL,OPENAI_API_KEY,DATABASE_URL",
	};
	const worker = workerEnvironment({ ...plan, settings: loadSettings(environment) }, addresses, environment);
	expect(worker).toMatchObject({ SLACK_WEBHOOK_URL: "https://hooks.slack.example/x", TOLLGATE_RUNBOOKS_URL: "https://runbooks.example" });
	expect(worker["DATABASE_URL"]).toBe(addresses.databaseUrl);
	// It sends batches; no channel is given it (config/alert-secrets.ts).
	expect(worker).toMatchObject({ OPENAI_API_KEY: "sk-1" });
	expect(worker).not.toHaveProperty("CLOUD_SECRET");
	expect(workerEnvironment(plan, addresses, environment)).not.toHaveProperty("SLACK_WEBHOOK_URL");
});

test("gateways and workers share one store of payloads, and the worker has the bucket's credentials beside it", () => {
	const bucket = { TOLLGATE_BLOBS: "s3://payloads/tollgate", TOLLGATE_BLOBS_ENDPOINT: "https://s3.example", TOLLGATE_BLOB_KEYS_FILE: "/run/secrets/blobs" };
	const environment = { ...bucket, AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "s" };
	expect(gatewayIn(environment)).toMatchObject(environment);
	expect(workerEnvironment(plan, addresses, environment)).toMatchObject(environment);
});
