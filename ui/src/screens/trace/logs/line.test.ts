import { describe, expect, it } from 'vitest';
import { messageOf, prettyBody } from '~/screens/trace/logs/line';

describe('messageOf', () => {
  it.each([
    ['plain text', 'plain text'],
    ['{"level":"info","msg":"sold out"}', 'sold out'],
    [' {"message":"m","msg":""}', 'm'],
    ['{"msg":{"a":1}}', '{"msg":{"a":1}}'],
    ['{"msg":"cut of', '{"msg":"cut of'],
    ['["msg"]', '["msg"]'],
    ['', ''],
  ])('of %j is %j', (body, message) => expect(messageOf(body)).toBe(message));
});

describe('prettyBody', () => {
  it.each(['{"a":[1,{"b":null}],"c":{},"d":[],"e":"{[\\",:"}', ' [ ]\n', '{"a" : -1.5, "":"ü\\u0000"}'])(
    'breaks %s into lines as JSON is usually',
    (body) => expect(prettyBody(body)).toBe(JSON.stringify(JSON.parse(body), null, 2)),
  );

  it('changes no value: numbers keep their digits, keys that come twice stay', () => {
    expect(prettyBody('{"id":12345678901234567890,"a":1.0,"a":2}')).toBe(
      '{\n  "id": 12345678901234567890,\n  "a": 1.0,\n  "a": 2\n}',
    );
  });

  it.each(['plain', '12', '"text"', '{"cut":', '{}{}'])('leaves %j alone', (body) =>
    expect(prettyBody(body)).toBeUndefined(),
  );

  it('leaves alone what nests so deep that it would be mostly spaces', () => {
    expect(prettyBody('['.repeat(100_000) + ']'.repeat(100_000))).toBeUndefined();
  });
});
