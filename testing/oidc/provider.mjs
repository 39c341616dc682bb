/**
 * A real OpenID Connect provider on loopback, for tests; prints one line of JSON `{"issuer": …}` once it listens, and ends with its
 * standard input.
 *
 * Two clients: `antiphon` with the secret `the secret of a test`, and the public `antiphon-public`. People sign in with any name
 * without a password: `ada` is Ada, ada@example.org; `ada@other.org` has that address. `POST /control` takes JSON that changes what
 * the provider does from then on: `{"claims": {…}}` are claims that its ID tokens get when they are issued, signed with its own key;
 * `{"signature": "broken"}` spoils their signatures, `{"person": {…}}` are claims about people, `{"rotate": true}` has it sign with
 * a key of a fresh id.
 */

import { createServer } from "node:http";
import { SignJWT, decodeJwt, exportJWK, generateKeyPair, importJWK } from "jose";
import Provider from "oidc-provider";

const body = async (request) => {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
};

let control = {};
let foreign = null;

async function newKey(kid, alg = "RS256") {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg, use: "sig" };
}

const server = createServer();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://127.0.0.1:${server.address().port}`;
const signing = await newKey("first");

/** The question whether the session here ends too; the provider's own page asks another host for its letters. */
async function logoutSource(context, form) {
  context.body = `<!doctype html><title>Test provider</title>${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`;
}

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "antiphon",
      client_secret: "the secret of a test",
      redirect_uris: ["http://127.0.0.1/oauth/oidc/login/callback"],
      post_logout_redirect_uris: ["http://127.0.0.1/after"],
    },
    {
      client_id: "antiphon-public",
      token_endpoint_auth_method: "none",
      redirect_uris: ["http://127.0.0.1/oauth/oidc/login/callback"],
    },
  ],
  jwks: { keys: [signing] },
  cookies: { keys: ["the cookies of a test"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "roles"] },
  conformIdTokenClaims: process.env.ID_TOKEN_CLAIMS !== "all",
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true, logoutSource } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: id.includes("@") ? id : `${id}@example.org`,
      email_verified: true,
      name: id[0].toUpperCase() + id.slice(1),
      ...control.person,
    }),
  }),
  // Nobody is asked what the server may know.
  loadExistingGrant: async (context) => {
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId,
      accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});

// Nodes listen on ports of the system's choice.
provider.Client.prototype.redirectUriAllowed = function redirectUriAllowed(uri) {
  const url = new URL(uri);
  return url.hostname === "127.0.0.1" && url.pathname === "/oauth/oidc/login/callback";
};

async function changed(idToken) {
  if (control.signature === "broken") {
    const [head, claims, signature] = idToken.split(".");
    const bytes = Buffer.from(signature, "base64url");
    bytes[10] ^= 1;
    return [head, claims, bytes.toString("base64url")].join(".");
  }
  if (!control.claims && !control.rotate) return idToken;
  const key = control.rotate ? foreign : signing;
  const claims = { ...decodeJwt(idToken), ...control.claims };
  return new SignJWT(claims).setProtectedHeader({ alg: key.alg, kid: key.kid }).sign(await importJWK(key, key.alg));
}

provider.use(async (context, next) => {
  await next();
  if (context.path === "/token" && context.body?.id_token) {
    context.body = { ...context.body, id_token: await changed(context.body.id_token) };
  }
  if (context.path === "/jwks" && control.rotate) {
    const { d, p, q, dp, dq, qi, ...known } = foreign;
    context.body = { keys: [known] };
  }
});

const handle = provider.callback();
server.on("request", async (request, response) => {
  try {
    if (request.url === "/control") {
      control = JSON.parse(await body(request));
      if (control.rotate) foreign = await newKey("second", "ES256");
      response.end("{}");
    } else if (request.url.startsWith("/interaction/") && request.method === "GET") {
      await provider.interactionDetails(request, response);
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(`<!doctype html><title>Test provider</title><form method="post" action="${request.url}">
        <label>Name <input name="name" autofocus></label><button name="do" value="in">Continue</button>
        <button name="do" value="out">Cancel</button></form>`);
    } else if (request.url.startsWith("/interaction/")) {
      const form = new URLSearchParams(await body(request));
      const result =
        form.get("do") === "out" ? { error: "access_denied", error_description: "cancelled" } : { login: { accountId: form.get("name") } };
      await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    } else {
      await handle(request, response);
    }
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error.stack));
  }
});

process.stdout.write(`${JSON.stringify({ issuer })}\n`);
process.stdin.resume().on("end", () => process.exit(0));
