import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";

export type TestIdentityProvider = {
	readonly issuer: string;
	/** Who signs in next, and what is said of him. */
	person: { readonly sub: string; readonly claims: Readonly<Record<string, unknown>> };
	/** What happens to an ID token on its way. */
	change: (idToken: string) => string;
	close(): Promise<void>;
};

export const CLIENT = { clientId: "tollgate", clientSecret: "secret of the client" } as const;

/** A real OpenID Connect server in this process, on loopback: it lets in whoever `person` says, without a form. */
export async function startIdentityProvider(redirectUrl: string): Promise<TestIdentityProvider> {
	let handle: (request: IncomingMessage, response: ServerResponse) => unknown = (_request, response) => response.end();
	const server = createServer((request, response) => {
		if (request.url === "/token") changeAnswer(response, (idToken) => running.change(idToken));
		void handle(request, response);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const running: TestIdentityProvider = {
		issuer,
		person: { sub: "nobody", claims: {} },
		change: (idToken) => idToken,
		async close() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
	const provider = new Provider(issuer, {
		clients: [{ client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret, redirect_uris: [redirectUrl] }],
		cookies: { keys: ["of a test"] },
		features: { devInteractions: { enabled: false } },
		conformIdTokenClaims: false,
		claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["roles"] },
		interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
		findAccount: async (_context, sub) => ({ accountId: sub, claims: async () => ({ sub, ...running.person.claims }) }),
		async loadExistingGrant(context) {
			const grant = new context.oidc.provider.Grant({ clientId: CLIENT.clientId, accountId: context.oidc.session?.accountId ?? "" });
			grant.addOIDCScope("openid profile email");
			await grant.save();
			return grant;
		},
	});
	const callback = provider.callback();
	handle = (request, response) =>
		request.url?.startsWith("/interaction/") === true
			? provider.interactionFinished(request, response, { login: { accountId: running.person.sub } })
			: callback(request, response);
	return running;
}

function changeAnswer(response: ServerResponse, change: (idToken: string) => string): void {
	const end = response.end.bind(response) as (body?: unknown) => ServerResponse;
	response.end = ((body?: unknown) => {
		const answer = typeof body === "string" || Buffer.isBuffer(body) ? (JSON.parse(body.toString()) as { id_token?: string }) : undefined;
		if (answer?.id_token === undefined) return end(body);
		const changed = JSON.stringify({ ...answer, id_token: change(answer.id_token) });
		response.setHeader("content-length", Buffer.byteLength(changed));
		return end(changed);
	}) as typeof response.end;
}
