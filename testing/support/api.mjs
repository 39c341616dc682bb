/** The HTTP interface, as far as tests need it to get to where they begin. */

import assert from "node:assert/strict";

export const PASSWORD = "correct horse 42";

let number = 0;

export class Api {
  constructor(url, token = null) {
    this.url = url;
    this.token = token;
  }

  async call(method, path, body) {
    const headers = { accept: "application/json" };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const response = await fetch(this.url + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json");
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  }

  get(path) {
    return this.call("GET", path);
  }

  post(path, body) {
    return this.call("POST", path, body);
  }

  delete(path) {
    return this.call("DELETE", path);
  }

  /** The body of a call that must succeed. */
  async ok(method, path, body) {
    const answer = await this.call(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}

/** Makes the first account, the administrator's. */
export async function signUp(url, { name = "Ada Admin", email = "ada@example.com", password = PASSWORD } = {}) {
  const api = new Api(url);
  const session = await api.ok("POST", "/api/v1/auths/signup", { name, email, password, profile_image_url: "/user.png" });
  return { ...session, password };
}

export async function signIn(url, { email, password }) {
  const session = await new Api(url).ok("POST", "/api/v1/auths/signin", { email, password });
  return { ...session, password };
}

/** Makes another account through the administrator, and signs in with it. */
export async function addUser(url, admin, { name, role = "user" } = {}) {
  number += 1;
  const email = `user${number}@example.com`;
  const account = { name: name ?? `User ${number}`, email, password: PASSWORD, role };
  await new Api(url, admin.token).ok("POST", "/api/v1/auths/add", account);
  return await signIn(url, { email, password: PASSWORD });
}
