import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestAdministration } from "#test/support/administration.ts";
import { type AlertReceiver, startWebhookReceiver } from "#test/support/alert-receivers.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";
import { TEST_HOME } from "#test/support/kept-places.ts";

const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
let administration: TestAdministration;
let home: string;
let close: () => Promise<void>;
let receiver: AlertReceiver;
const { output, errors, run } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));

beforeAll(async () => {
	({ administration, home, close } = await openCommandLineHome());
	receiver = await startWebhookReceiver(SECRET);
	administration.alertSecrets.set("HOOK_SECRET", SECRET);
	await run("team create search --unlimited");
});
afterAll(async () => {
	await close();
	await receiver.close();
});

test("a channel is set, tried and routed to", async () => {
	expect(await run(`alerts channel set hook --kind webhook --url ${receiver.url} --secret-env HOOK_SECRET --allow-private`)).toBe(0);
	expect(output[0]).toContain("npx tollgate alerts test hook");
	expect(await run("alerts test hook")).toBe(0);
	expect(output).toEqual(["Channel hook took it: 204"]);
	expect(await run("alerts route --team search --to hook --kinds budget.stopped,velocity.key")).toBe(0);
	expect(await run("alerts channels")).toBe(0);
	expect(output[0]).toMatch(/hook +webhook +http.*HOOK_SECRET +allowed\n[\s\S]*search +hook +budget\.stopped, velocity\.key/);
});

test("a channel that names what Tollgate keeps for itself is not set, and every option that does is named", async () => {
	const places = `--url-file ${TEST_HOME}/admin-key --secret-env OPENAI_API_KEY`;
	expect(await run(`alerts channel set thief --kind webhook ${places}`)).toBe(2);
	expect(errors).toEqual([
		`tollgate: --url-file: the file ${TEST_HOME}/admin-key belongs to Tollgate; --secret-env: the variable OPENAI_API_KEY belongs to Tollgate or to a provider (admin.invalid)`,
	]);
	expect(await run("alerts channels")).toBe(0);
	expect(output[0]).not.toContain("thief");
});

test("a channel that does not take it is exit code 1, with what it said", async () => {
	receiver.answers.push((response) => response.writeHead(403).end("not you"));
	expect(await run("alerts test hook")).toBe(1);
	expect(errors.join()).toContain("did not take it: 403 not you");
});

test("alerts alone lists them; show tells one; what was given up is listed, sent again and acknowledged", async () => {
	await administration.pool.query("SELECT tollgate.raise_alert('k', 'search', '', 'velocity.key', 'warning', true, '{\"posted\": \"12\"}')");
	expect(await run("alerts --team search --firing --limit 5")).toBe(0);
	expect(output[0]).toMatch(/^ALERT +AT +STATE +SEVERITY +TEAM +WHAT +DELIVERIES\nalr_\w+ .* firing +warning +search .* hook waiting$/);
	const id = /alr_\w+/.exec(output[0] ?? "")?.[0] ?? "";
	expect(await run(`alerts show ${id}`)).toBe(0);
	expect(output[0]).toContain("What to do: docs/runbooks/velocity-key.md");
	expect(output[0]).toContain("posted: 12");
	await administration.pool.query("UPDATE tollgate.alert_delivery SET state = 'dead', last_error = '410 gone'");
	expect(await run("alerts --dead --json")).toBe(0);
	expect(JSON.parse(output[0] ?? "")).toMatchObject([{ id, deliveries: [{ state: "dead", lastError: "410 gone" }] }]);
	expect(await run("alerts retry --all-dead")).toBe(0);
	expect(output).toEqual(["1 delivery waits again."]);
	await administration.pool.query("UPDATE tollgate.alert_delivery SET state = 'dead'");
	expect(await run(`alerts acknowledge ${id}`)).toBe(0);
	expect(await run("alerts --dead")).toBe(0);
	expect(output).toEqual(["(none)"]);
});

test.each([
	[2, "alerts retry"],
	[2, "alerts retry alr_1 --all-dead"],
	[2, "alerts --limit 0"],
	[2, "alerts route --to hook"],
	[2, "alerts bogus"],
	[2, "alerts channel set x"],
	[1, "alerts show alr_none"],
	[1, "alerts test nobody"],
	[1, "alerts --team nobody"],
	[2, "alerts channel set hook --kind webhook --url http://10.0.0.1/ --secret-env S"],
	[1, "alerts channel remove hook"],
	[2, "alerts route --team search --to nobody"],
	[0, "alerts --help"],
	[0, "alerts list"],
])("%i for: %s", async (code, line) => {
	expect(await run(line)).toBe(code);
	expect(output.length + errors.length).toBeGreaterThan(0);
});
