/** What the navigation lists, in order; each is a route of routes.tsx. */
export const NAVIGATION = [
	{ to: "/", label: "Overview" },
	{ to: "/explore", label: "Explore" },
	{ to: "/budgets", label: "Budgets" },
	{ to: "/requests", label: "Requests" },
	{ to: "/runs", label: "Runs" },
	{ to: "/batches", label: "Batches" },
	{ to: "/alerts", label: "Alerts" },
] as const;
