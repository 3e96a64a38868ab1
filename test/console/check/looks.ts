import type { Page } from "playwright-core";

/** Pages as somebody first opens them, by name and address below /console. */
export const PAGES: readonly (readonly [name: string, path: string])[] = [
	["overview", "/"],
	["overview of a team", "/?team=team-0"],
	["explore, 30 days", "/explore?by=team,model&per=day&range=30d"],
	["explore, a year by week", "/explore?by=feature,model&per=week&range=365d"],
	["budgets", "/budgets"],
	["requests of a team", "/requests?team=team-0"],
	["runs", "/runs"],
	["batches", "/batches"],
	["alerts", "/alerts"],
	["reports", "/reports"],
	["statements", "/statements"],
	["policy", "/policy"],
	["keys and prices", "/keys"],
];

export type Interaction = { readonly name: string; readonly from: string; act(page: Page): Promise<void> };

const radio = (name: string) => (page: Page) => page.getByRole("radio", { name, exact: true }).dispatchEvent("click");
const link = (name: string) => (page: Page) => page.getByRole("navigation").getByRole("link", { name, exact: true }).dispatchEvent("click");
const EXPLORE = "/explore?by=team,model&per=day&range=30d";

/** What people do on a page that is open: one click each. */
export const INTERACTIONS: readonly Interaction[] = [
	...["Explore", "Budgets", "Requests", "Runs", "Batches", "Alerts", "Reports", "Statements", "Policy", "Keys and prices"].map((name) => ({
		name: `to ${name}`,
		from: "/",
		act: link(name),
	})),
	{ name: "back to the overview", from: "/budgets", act: link("Overview") },
	{ name: "explore by week", from: EXPLORE, act: radio("week") },
	{ name: "explore by hour", from: "/explore?by=team&per=day&range=7d", act: radio("hour") },
	{ name: "explore by month", from: "/explore?by=feature,model&per=week&range=365d", act: radio("month") },
	{ name: "sort a table", from: EXPLORE, act: (page) => page.getByRole("button", { name: "Calls" }).first().dispatchEvent("click") },
	{
		name: "one model alone",
		from: EXPLORE,
		act: (page) =>
			page
				.getByRole("table")
				.getByText(/^(gpt|claude)/)
				.first()
				.dispatchEvent("click"),
	},
];

/** Before a page's scripts: how many answers it waits for. */
export const COUNT_REQUESTS = `
	window.waitedFor = 0;
	const ask = window.fetch;
	window.fetch = (...args) => {
		if (String(args[0]?.url ?? args[0]).includes("/events")) return ask(...args);
		window.waitedFor++;
		return ask(...args).finally(() => setTimeout(() => window.waitedFor--, 0));
	};`;

/** Milliseconds until first paint, and until nothing is waited for any more, since the page was asked for. */
export const PAINTED = `new Promise((resolve) => {
	const look = () => {
		const [paint] = performance.getEntriesByName("first-contentful-paint");
		if (paint !== undefined && window.waitedFor === 0 && document.querySelector("[aria-busy=true]") === null && document.querySelector("h1") !== null)
			resolve({ firstPaintMs: paint.startTime, completeMs: performance.now() });
		else requestAnimationFrame(look);
	};
	look();
})`;

/** Notes the next click, then when everything it asked for is shown: in the page itself, so that nothing of the driver is counted. */
export const WATCH_CLICK = `document.addEventListener("click", () => {
	const clickedAtMs = performance.now();
	let frames = 0;
	window.tookMs = new Promise((resolve) => {
		const look = () => {
			frames++;
			if (frames > 2 && window.waitedFor === 0 && document.querySelector("[aria-busy=true]") === null) resolve(performance.now() - clickedAtMs);
			else requestAnimationFrame(look);
		};
		requestAnimationFrame(look);
	});
}, { capture: true, once: true })`;
