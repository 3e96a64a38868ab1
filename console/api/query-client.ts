import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { ApiProblem, TIMEOUT_CODE } from "./problem.ts";
import { refreshSession } from "./session.ts";

const STALE_AFTER_MS = 30_000;
const AGAIN_AFTER_MS = 500;

/**
 * Keeps answers, and asks once more where that may help. After any answer 401 it asks who is signed in: nobody any more, or somebody new, where the question left
 * with the cookie of the session before.
 */
export function createQueryClient(): QueryClient {
	const onError = (error: Error): void => {
		if (error instanceof ApiProblem && error.status === 401) void refreshSession(client);
	};
	const client: QueryClient = new QueryClient({
		queryCache: new QueryCache({ onError }),
		mutationCache: new MutationCache({
			onError: (error, _input, _context, mutation) => {
				// At the sign-in itself 401 only says that the proof was wrong.
				if (mutation.options.mutationKey?.[0] !== "sign-in") onError(error);
			},
		}),
		defaultOptions: {
			queries: {
				staleTime: STALE_AFTER_MS,
				retryDelay: AGAIN_AFTER_MS,
				retry: (failures, error) => failures < 1 && error instanceof ApiProblem && error.isPassing && error.code !== TIMEOUT_CODE,
				// What the browser believes about the network says nothing of a server on the loopback.
				networkMode: "always",
			},
			mutations: { networkMode: "always" },
		},
	});
	return client;
}
