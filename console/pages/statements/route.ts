import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { type RawSearch, rootRoute } from "../../frame/root-route.tsx";

export const statementsRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/statements",
	staticData: { title: "Statements" },
	component: lazyRouteComponent(() => import("./page.tsx"), "StatementsPage"),
});

export const chargebackRulesRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/statements/rules",
	staticData: { title: "Chargeback rules" },
	component: lazyRouteComponent(() => import("./rules-page.tsx"), "ChargebackRulesPage"),
});

export type MonthSearch = {
	/** Whose lines are shown: a team, or "@unknown" and "@organization", for which no team stands. */
	readonly of?: string | undefined;
	/** Page of lines: it continues after this team and line. */
	readonly afterTeam?: string | undefined;
	readonly afterLine?: string | undefined;
};

export const statementMonthRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/statements/$month",
	staticData: { title: "Statements of a month" },
	validateSearch: ({ of, afterTeam, afterLine }: RawSearch): MonthSearch => ({
		...(of && { of }),
		...(afterTeam && /^\d{1,9}$/.test(afterLine ?? "") && { afterTeam, afterLine }),
	}),
	component: lazyRouteComponent(() => import("./month-page.tsx"), "StatementMonthPage"),
});
