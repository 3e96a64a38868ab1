/** What the navigation lists, in order; each is a route of routes.tsx. */
export const NAVIGATION = [
	{ to: "/", label: "Overview" },
	{ to: "/explore", label: "Explore" },
	{ to: "/budgets", label: "Budgets" },
	{ to: "/requests", label: "Requests" },
	{ to: "/reports", label: "Reports" },
	{ to: "/statements", label: "Statements" },
	{ to: "/policy", label: "Policy" },
	{ to: "/keys", label: "Keys and prices" },
] as const;
