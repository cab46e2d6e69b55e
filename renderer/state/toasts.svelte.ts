export interface ToastAction {
  readonly label: string;
  readonly run: () => void;
}

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly action: ToastAction | null;
}

/** 6 s, and 10 s where there is a way back. */
const STAY = 6000;
const STAY_WITH_ACTION = 10_000;

/** What the user did is done. Errors are never toasts: they stand where they happened. */
class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  show(text: string, action: ToastAction | null = null): void {
    const toast: Toast = { id: this.#next++, text, action };
    this.list = [...this.list.slice(-3), toast];
    this.resume(toast);
  }

  close(id: number): void {
    this.hold(id);
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  /** Keeps a toast while the pointer or the focus is on it. */
  hold(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  resume(toast: Toast): void {
    this.hold(toast.id);
    this.#timers.set(toast.id, setTimeout(() => this.close(toast.id), toast.action === null ? STAY : STAY_WITH_ACTION));
  }
}

export const toasts = new Toasts();
