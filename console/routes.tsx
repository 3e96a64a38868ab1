import { createRouter } from "@tanstack/react-router";
import { Crashed } from "./frame/crashed.tsx";
import { rootRoute } from "./frame/root-route.tsx";
import { budgetsRoute } from "./pages/budgets/route.ts";
import { enterRoute } from "./pages/enter/route.ts";
import { exploreRoute } from "./pages/explore/route.ts";
import { keysRoute } from "./pages/keys/route.ts";
import { overviewRoute } from "./pages/overview/route.ts";
import { policyCompareRoute, policyRevisionRoute, policyRoute } from "./pages/policy/route.ts";
import { reportRoute, reportsRoute } from "./pages/reports/route.ts";
import { requestRoute, requestsRoute } from "./pages/request/route.ts";
import { chargebackRulesRoute, statementMonthRoute, statementsRoute } from "./pages/statements/route.ts";

/** Every page: a folder of `pages/` with its route, and its code loaded when it is first shown. */
const ROUTES = [
	...[overviewRoute, enterRoute, exploreRoute, budgetsRoute, requestsRoute, requestRoute],
	...[reportsRoute, reportRoute],
	...[statementsRoute, chargebackRulesRoute, statementMonthRoute],
	...[policyRoute, policyCompareRoute, policyRevisionRoute],
	keysRoute,
] as const;

export const router = createRouter({
	routeTree: rootRoute.addChildren([...ROUTES]),
	basepath: "/console",
	// Plain text, so that an address reads as it was meant: ?team=42 is the team "42".
	parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
	stringifySearch: (search) => {
		const given = Object.entries(search).filter((entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== "");
		return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
	},
	defaultErrorComponent: Crashed,
	scrollRestoration: true,
});

declare module "@tanstack/react-router" {
	interface Register {
		router: typeof router;
	}
	interface StaticDataRouteOption {
		/** Of the browser's tab. */
		title?: string;
	}
}
