import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { REPORT_KINDS, type ReportKind } from "#domain/reports/report-period.ts";
import { type RawSearch, rootRoute } from "../../frame/root-route.tsx";

export type ReportsSearch = {
	readonly kind?: ReportKind | undefined;
	/** Reports of periods that began before this day. */
	readonly before?: string | undefined;
};

export const reportsRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/reports",
	staticData: { title: "Reports" },
	validateSearch: ({ kind, before }: RawSearch): ReportsSearch => {
		const known = REPORT_KINDS.find((name) => name === kind);
		return { ...(known && { kind: known }), ...(before && { before }) };
	},
	component: lazyRouteComponent(() => import("./page.tsx"), "ReportsPage"),
});

export const reportRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/reports/$reportId",
	staticData: { title: "Report" },
	validateSearch: ({ edition }: RawSearch): { readonly edition?: string | undefined } => (edition && /^[1-9]\d{0,5}$/.test(edition) ? { edition } : {}),
	component: lazyRouteComponent(() => import("./report-page.tsx"), "ReportPage"),
});
