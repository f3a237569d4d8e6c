// What is asked of the server beside streams: with the token, where one is needed.

const element = (id) => document.getElementById(id);

export class Server {
  /** `again()` begins anew, with another token. */
  constructor(again) {
    this.again = again;
    this.token = sessionStorage.getItem("token");
    this.dialog = element("token-dialog");
  }

  headers(more = {}) {
    return this.token ? { Authorization: `Bearer ${this.token}`, ...more } : more;
  }

  /** JSON; null where there is none. */
  async ask(path) {
    const answer = await fetch(path, { headers: this.headers(), cache: "no-store" });
    if (answer.status === 401) this.askForToken();
    return answer.ok ? answer.json() : null;
  }

  /** A request with its status and what was answered, whatever it is; status 0 where nobody answers. */
  async send(method, path, body) {
    const headers = this.headers(body === undefined ? {} : { "Content-Type": "application/json" });
    try {
      const answer = await fetch(path, { method, headers, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) });
      return { status: answer.status, body: await answer.json().catch(() => null) };
    } catch {
      return { status: 0, body: null };
    }
  }

  isAsking() {
    return this.dialog.open;
  }

  /** Asks for a token; then everything begins anew, and `then` goes on. */
  askForToken(then = () => {}) {
    if (this.dialog.open) return;
    this.dialog.returnValue = "";
    this.dialog.showModal();
    this.dialog.addEventListener("close", () => {
      if (!element("token").value) return;
      this.token = element("token").value;
      sessionStorage.setItem("token", this.token);
      element("token").value = "";
      this.again();
      then();
    }, { once: true });
  }
}
