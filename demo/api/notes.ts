import { randomUUID } from 'node:crypto';

/** A note of one person. */
export interface Note {
  readonly id: string;
  readonly text: string;
  readonly createdAt: string;
}

/** Characters. */
export const maxNoteLength = 280;
const maxNotes = 50;

const firstNotes = [
  'The verifier never left the BFF.',
  'This page has no access token. The BFF attached it on the way here.',
];

/** Everyone's notes, in memory; a person's first look finds two of ours. */
export class Notes {
  readonly #bySub = new Map<string, Note[]>();

  of(sub: string): readonly Note[] {
    return this.#own(sub);
  }

  /** Adds a note in front; the oldest gives way when there are too many. */
  add(sub: string, text: string): Note {
    const notes = this.#own(sub);
    const note = createNote(text);
    notes.unshift(note);
    notes.length = Math.min(notes.length, maxNotes);
    return note;
  }

  /** Whether there was such a note; other people's are as good as none. */
  remove(sub: string, id: string): boolean {
    const notes = this.#own(sub);
    const index = notes.findIndex((note) => note.id === id);
    if (index >= 0) notes.splice(index, 1);
    return index >= 0;
  }

  #own(sub: string): Note[] {
    const notes = this.#bySub.get(sub) ?? firstNotes.map(createNote);
    this.#bySub.set(sub, notes);
    return notes;
  }
}

function createNote(text: string): Note {
  return { id: randomUUID(), text, createdAt: new Date().toISOString() };
}
