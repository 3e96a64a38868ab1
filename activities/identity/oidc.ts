import * as client from "openid-client";
import type { AdminGrant } from "#domain/access/admin-role.ts";
import { grantFromClaim, nameFromClaims } from "#domain/access/identity-claims.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

export type OidcOptions = {
	/** Its discovery document is below it; http for loopback alone. */
	readonly issuer: string;
	readonly clientId: string;
	readonly clientSecret: string;
	readonly scopes: string;
	/** Claim of the ID token that holds roles. */
	readonly rolesClaim: string;
	/** Where the provider sends people back, as it is registered there. */
	readonly redirectUrl: string;
};

/** What only the browser that began a sign-in knows, until it comes back. */
export type OidcAttempt = { readonly state: string; readonly nonce: string; readonly codeVerifier: string };
export type Identity = AdminGrant & { readonly name: string };

const TIMEOUT_SECONDS = 10;

/** People of an identity provider: authorization code with PKCE, state and nonce, an ID token whose signature is checked, nothing kept of it. */
export class OidcProvider {
	readonly #options: OidcOptions;
	#found: Promise<client.Configuration> | undefined;

	constructor(options: OidcOptions) {
		this.#options = options;
	}

	/** Where to send the browser, and what it has to bring back. @throws CostControlError "session.identity" while the provider cannot be asked. */
	async begin(): Promise<{ readonly url: string; readonly attempt: OidcAttempt }> {
		const provider = await this.#find();
		const attempt = { state: client.randomState(), nonce: client.randomNonce(), codeVerifier: client.randomPKCECodeVerifier() };
		const url = client.buildAuthorizationUrl(provider, {
			redirect_uri: this.#options.redirectUrl,
			scope: this.#options.scopes,
			state: attempt.state,
			nonce: attempt.nonce,
			code_challenge: await client.calculatePKCECodeChallenge(attempt.codeVerifier),
			code_challenge_method: "S256",
		});
		return { url: url.href, attempt };
	}

	/**
	 * Who has come back, with which rights. `query` as the browser brought it.
	 * @throws CostControlError "session.identity" for an answer that does not hold, and for somebody without a role.
	 */
	async finish(query: URLSearchParams, attempt: OidcAttempt): Promise<Identity> {
		const provider = await this.#find();
		const cameTo = new URL(this.#options.redirectUrl);
		cameTo.search = query.toString();
		const claims = await this.#claimsOf(provider, cameTo, attempt);
		const name = nameFromClaims(claims);
		if (name === undefined) throw refusal("The identity provider does not say who you are: neither a verified e-mail address nor an id that can be shown.");
		const grant = grantFromClaim(claims[this.#options.rolesClaim]);
		if (grant === undefined)
			throw refusal(`${name} has no role here. Whoever keeps the identity provider gives one in the claim ${this.#options.rolesClaim}, like tollgate:viewer.`);
		return { ...grant, name };
	}

	async #claimsOf(provider: client.Configuration, cameTo: URL, { state, nonce, codeVerifier }: OidcAttempt): Promise<Readonly<Record<string, unknown>>> {
		try {
			const tokens = await client.authorizationCodeGrant(provider, cameTo, {
				expectedState: state,
				expectedNonce: nonce,
				pkceCodeVerifier: codeVerifier,
				idTokenExpected: true,
			});
			return tokens.claims() ?? {};
		} catch (error) {
			throw refusal("The answer of the identity provider does not hold. Begin again.", error);
		}
	}

	/** Found once, and looked for again after a failure. */
	async #find(): Promise<client.Configuration> {
		const { issuer, clientId, clientSecret } = this.#options;
		const execute = [client.enableNonRepudiationChecks, ...(issuer.startsWith("http:") ? [client.allowInsecureRequests] : [])];
		this.#found ??= client.discovery(new URL(issuer), clientId, clientSecret, undefined, { execute, timeout: TIMEOUT_SECONDS });
		try {
			return await this.#found;
		} catch (error) {
			this.#found = undefined;
			throw refusal("The identity provider does not answer. Try again, or sign in with a link or an admin key.", error);
		}
	}
}

function refusal(message: string, cause?: unknown): CostControlError {
	return new CostControlError("session.identity", message, { cause });
}
