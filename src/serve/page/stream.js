// The server's event stream, read with fetch: so that a token can be sent, and so that this page knows how it stands.
// It comes again by itself, with the id of the last message, and begins anew where the server says so.

const PATIENCE = 5_000;
const WAITS = [300, 1_000, 2_000, 4_000];

export class Stream {
  /** `told(message)` for every message, `stands(state, wait)` whenever that changes. */
  constructor(address, token, told, stands) {
    Object.assign(this, { address, token, told, stands, id: null, over: false, tries: 0 });
    // A page that is left may be kept, for coming back to it, with its connections; of those a browser has six for a
    // server. A stream that is cut comes again by itself.
    this.leave = () => this.abort?.abort();
    addEventListener("pagehide", this.leave);
    this.run();
  }

  close() {
    this.over = true;
    removeEventListener("pagehide", this.leave);
    this.abort?.abort();
    this.wake?.();
  }

  async run() {
    while (!this.over) {
      try {
        await this.read();
      } catch (error) {
        if (this.over) return;
        if (error.status === 401) {
          this.close();
          this.stands("token");
          return;
        }
      }
      if (this.over) return;
      const wait = WAITS[Math.min(this.tries, WAITS.length - 1)];
      this.tries += 1;
      this.stands("away", wait);
      await new Promise((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, wait);
      });
    }
  }

  async read() {
    this.abort = new AbortController();
    const headers = { Accept: "text/event-stream" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (this.id) headers["Last-Event-ID"] = this.id;
    // Progress comes every second: silence means that the connection is dead, whatever the system says.
    let alarm;
    const listen = () => {
      clearTimeout(alarm);
      alarm = setTimeout(() => this.abort.abort(), PATIENCE);
    };
    listen();
    try {
      const answer = await fetch(this.address, { headers, signal: this.abort.signal, cache: "no-store" });
      if (!answer.ok) throw Object.assign(new Error(answer.statusText), { status: answer.status });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        listen();
        text += value;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          this.event(text.slice(0, end));
          text = text.slice(end + 2);
        }
      }
    } finally {
      clearTimeout(alarm);
    }
  }

  event(text) {
    const data = text.split("\n").find((line) => line.startsWith("data: "));
    if (!data || this.over) return;
    const message = JSON.parse(data.slice(6));
    if (message.id) this.id = message.id;
    if (message.type !== "bye") {
      this.tries = 0;
      // A fault of the page is none of the connection: to come again would only repeat it, for ever.
      try {
        this.stands("live");
        this.told(message);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
