import { createRoute, redirect } from "@tanstack/react-router";
import { isEntering } from "../../frame/link-token.ts";
import { rootRoute } from "../../frame/root-route.tsx";

/** Where one-time links lead. The frame signs in before any page is shown; afterwards there is nothing here. */
export const enterRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/enter",
	beforeLoad: () => {
		if (!isEntering()) throw redirect({ to: "/" });
	},
});
