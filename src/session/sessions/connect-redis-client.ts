import { BffError } from '../../errors.ts';
import { recordNameOf, type SealedRecords } from '../store/sealed-records.ts';

/** Implements the three Redis commands that connect-redis sends, over sealed records. */
export function connectRedisClient(records: SealedRecords) {
  const client = {
    get: async (secret: string) => (await records.read(recordNameOf(secret)))?.text ?? null,
    set: async (secret: string, text: string, options: { expiration: { value: number } }) => {
      const isNew = await records.create(
        recordNameOf(secret),
        text,
        options.expiration.value * 1000,
      );
      if (!isNew) throw new BffError('internal_error', { cause: new Error('session exists') });
    },
    del: async ([secret]: [string]) => records.remove(recordNameOf(secret)),
  };
  return client as never;
}
