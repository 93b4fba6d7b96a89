import type * as v from 'valibot';

/**
 * What a schema makes of an answer. Compiles only where the schema takes everything that the server's own description of
 * the answer allows, so that the two cannot drift apart unnoticed.
 */
export type Described<Schema extends v.GenericSchema, Description extends v.InferInput<Schema>> = {
  output: v.InferOutput<Schema>;
  description: Description;
}['output'];
