// What open connections have made for their work, and could make anew, goes when they fall silent: most of them wait most of
// the time. Owns when they are asked; what they let go of is theirs.

export interface Sleeper {
  /** Lets go of what is not in use. @returns false to be asked again, as there was something to do since it was asked last */
  rest (): boolean
}

/** Milliseconds between two looks: who is silent from one to the next is at rest. */
export const LOOK_EVERY = 100

/** Asks those who are awake again and again, until they are at rest. Does not keep the process alive. */
export class Rest {
  /** As long as there is one there is a timer. */
  #awake: Sleeper[] = []

  /** Takes in somebody who has begun to work and is not awake already. */
  add (sleeper: Sleeper): void {
    if (this.#awake.push(sleeper) === 1) setTimeout(this.#look, LOOK_EVERY).unref()
  }

  readonly #look = (): void => {
    const asked = this.#awake
    this.#awake = []
    for (const sleeper of asked) {
      if (!sleeper.rest()) this.add(sleeper)
    }
  }
}

/** The one of this process. */
export const rest: Rest = new Rest()
