import { afterEach, beforeEach, expect, test } from "vitest";
import { runExample } from "#test/support/example-agents.ts";
import { type PlayedGateway, startPlayedGateway } from "#test/support/played-deferred.ts";

/** `examples/deferred` against a played gateway. On the whole system: test/e2e/examples.test.ts. */

let gateway: PlayedGateway;

beforeEach(async () => {
	gateway = await startPlayedGateway();
});
afterEach(() => gateway.close());

const MONEY = { type: "budget_exceeded", code: "budget.exceeded", message: "Nothing is left.", howToAsk: "npx tollgate budget increase request" };
const run = (environment: Record<string, string>) => runExample("deferred/classify.ts", { gatewayUrl: gateway.url, key: "tg-test", environment });

/** As a provider does it: each is answered once it is asked about. */
function answerAll(): void {
	gateway.interfere = ({ method }) => {
		if (method !== "GET") return undefined;
		const body = { choices: [{ message: { content: "urgent" } }] };
		for (const { id, answer } of gateway.items) if (answer === null) gateway.end(id, { answer: { status_code: 200, body } });
		return undefined;
	};
}

test("hands in its tickets with their deadline and prints how each ended; run again it hands in nothing", async () => {
	answerAll();
	const first = await run({ TICKETS: "30", DEADLINE: "45m", JOB: "today" });
	expect(first.exitCode).toBe(0);
	const lines = first.output.trim().split("\n");
	expect([lines[0], lines.at(-1)]).toEqual(["30 handed in, 0 refused", "cost 15000 nano-USD"]);
	const tickets = Array.from({ length: 30 }, (_, n) => `today/${n + 1} succeeded (batch): urgent`);
	expect(lines.slice(1, -1).sort()).toEqual(tickets.sort());
	expect(gateway.items.map(({ endpoint, headers }) => [endpoint, headers["x-tollgate-deadline"]])).toEqual(Array(30).fill(["chat/completions", "45m"]));
	expect(await run({ TICKETS: "30", DEADLINE: "45m", JOB: "today" })).toMatchObject({ exitCode: 0, output: expect.stringContaining("30 handed in") });
	expect(gateway.items).toHaveLength(30);
}, 60_000);

test("says which were refused and how to ask, prints the others, and ends with 1", async () => {
	answerAll();
	const ending = gateway.interfere;
	gateway.interfere = (request, body) =>
		JSON.stringify(body)?.includes("charged twice") === true ? { status: 402, body: { error: MONEY } } : ending(request, body);
	const { output, exitCode } = await run({ TICKETS: "4" });
	expect(exitCode).toBe(1);
	expect(output).toMatch(
		/^3 handed in, 1 refused\ntickets\/1 refused: Nothing is left\. npx tollgate budget increase request\n(tickets\/\d succeeded .*\n){3}cost 1500 nano-USD\n$/,
	);
}, 60_000);
