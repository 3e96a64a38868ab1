import type { IncomingMessage, ServerResponse } from "node:http";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM, HOW_TO_GET_CHROMIUM } from "#test/support/chromium.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { until } from "#test/support/until.ts";

/** More than the six connections that a browser opens to a host. */
const TABS = 8;

type Tab = { readonly page: Page; readonly asked: string[] };

describe.skipIf(CHROMIUM === undefined)(`tabs of one browser ${HOW_TO_GET_CHROMIUM}`, () => {
	let stand: ConsoleStand;
	const streams = new Set<ServerResponse>();

	beforeAll(async () => {
		stand = await ConsoleStand.open();
		await stand.ask("POST", "/teams", { id: "search", budget: { limitUsd: "100", windowKind: "day" } });
		stand.administration.app.server.on("request", (request: IncomingMessage, response: ServerResponse) => {
			if (request.url !== "/admin/v1/events") return;
			streams.add(response);
			response.on("close", () => streams.delete(response));
		});
	});
	afterEach(() => expect(stand.complaints.splice(0)).toEqual([]));
	afterAll(() => stand?.close());

	/** Tabs at the budgets; the first of them listens. */
	async function openTabs(count: number, prepare?: (page: Page) => Promise<unknown>): Promise<Tab[]> {
		const first = await stand.visit("/budgets", { prepare });
		const tabs = [tabOf(first)];
		await isLive(tabs);
		for (let place = 1; place < count; place++) {
			const page = await first.context().newPage();
			tabs.push(tabOf(page));
			await prepare?.(page);
			await page.goto(`${stand.url}/console/budgets`);
		}
		await isLive(tabs);
		return tabs;
	}

	function tabOf(page: Page): Tab {
		const asked: string[] = [];
		page.on("request", (request) => asked.push(new URL(request.url()).pathname));
		page.on("pageerror", ({ message }) => stand.complaints.push(message));
		return { page, asked };
	}

	const everyTab = (tabs: readonly Tab[], text: string) => Promise.all(tabs.map(({ page }) => page.getByText(text, { exact: true }).first().waitFor()));
	const isLive = (tabs: readonly Tab[]) => everyTab(tabs, "live");
	const timesAsked = ({ asked }: Tab): number => asked.filter((path) => path === "/admin/v1/budgets").length;
	const addTeam = (id: string) => stand.ask("POST", "/teams", { id, budget: { limitUsd: "100", windowKind: "day" } });
	const leave = async ([tab]: readonly Tab[]) => {
		await tab?.page.context().close();
		await until("no stream", () => streams.size === 0);
	};

	test("share one stream: all load, all hear of a change, and the next listens when the one that did is closed", async () => {
		const [leader, ...others] = await openTabs(TABS);
		if (leader === undefined) throw new Error("no tab");
		await everyTab([leader, ...others], "search");
		expect(streams.size).toBe(1);
		await addTeam("added-early");
		await everyTab([leader, ...others], "added-early");

		const before = others.map(timesAsked);
		await leader.page.close();
		await until("everybody asks again", () => others.every((tab, place) => timesAsked(tab) > (before[place] ?? 0)));
		await isLive(others);
		expect(streams.size).toBe(1);
		expect(others.map(timesAsked)).toEqual(before.map((times) => times + 1));
		await addTeam("added-late");
		await everyTab(others, "added-late");
		expect(streams.size).toBe(1);
		await leave(others);
	});

	test("say in all of them that nobody tells, and ask again what they missed when it goes on", async () => {
		let isCut = false;
		const tabs = await openTabs(3, (page) => page.route("**/admin/v1/events", (route) => (isCut ? route.abort() : route.continue())));
		isCut = true;
		for (const stream of streams) stream.destroy();
		await everyTab(tabs, "not live");
		await until("no stream", () => streams.size === 0);
		await addTeam("added-unheard");
		isCut = false;
		await isLive(tabs);
		await everyTab(tabs, "added-unheard");
		expect(streams.size).toBe(1);
		expect(stand.complaints.splice(0).filter((complaint) => !complaint.includes("net::ERR"))).toEqual([]);
		await leave(tabs);
	});

	test("are signed out together, and nobody listens any more", async () => {
		const tabs = await openTabs(3);
		await tabs.at(-1)?.page.getByRole("button", { name: "Sign out" }).click();
		await Promise.all(tabs.map(({ page }) => page.getByRole("heading", { name: "Sign in to Tollgate" }).waitFor()));
		await until("no stream", () => streams.size === 0);
		expect(await Promise.all(tabs.map(({ page }) => page.getByText("search", { exact: true }).count()))).toEqual([0, 0, 0]);
		await leave(tabs);
	});

	test("become those of whoever signs in in one of them", async () => {
		const [one, two] = await openTabs(2);
		const { path } = await stand.ask<{ path: string }>("POST", "/console-links", { name: "grace", role: "team-owner", teamIds: ["search"] });
		const entering = await one?.page.context().newPage();
		await entering?.goto(`${stand.url}${path}`);
		for (const tab of [one, two]) {
			await tab?.page.getByText("grace", { exact: true }).waitFor();
			await until("only what is of grace's team", async () => (await tab?.page.getByText("added-early", { exact: true }).count()) === 0);
			await tab?.page.getByText("live", { exact: true }).waitFor();
		}
		expect(streams.size).toBe(1);
		if (one !== undefined) await leave([one]);
	});

	test("listen each for itself where the browser has no locks", async () => {
		const tabs = await openTabs(2, (page) => page.addInitScript("delete Navigator.prototype.locks"));
		expect(streams.size).toBe(2);
		await addTeam("added-to-both");
		await everyTab(tabs, "added-to-both");
		await leave(tabs);
	});
});
