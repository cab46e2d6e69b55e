import { expect, test } from 'vitest';
import { maskArguments, maskCommand, maskEnvironment, maskText } from '../../../main/record/mask.ts';

test('arguments that look like secrets are masked, others are not', () => {
  const argv = [
    'train.py', '--token', 'abc', '--api-key=def', '--lr', '0.1', '--tokenizer', 'bpe', 'WANDB_API_KEY=ghi', '--password', '-x', '--author', 'me',
    'postgres://joe:pw@db/x', 'hf_abcdefghijklmnopqrstuv', '-H', 'Authorization: Bearer jkl', '--max-tokens', '4096',
  ];
  expect(maskArguments(argv).join(' ')).toBe(
    'train.py --token *** --api-key=*** --lr 0.1 --tokenizer bpe WANDB_API_KEY=*** --password -x --author me ' +
    'postgres://joe:***@db/x *** -H Authorization: *** --max-tokens 4096');
});

test('variables by name, keys by form', () => {
  expect(maskEnvironment({ PATH: '/bin', AWS_SECRET_ACCESS_KEY: 'x', EMPTY_TOKEN: '', MODEL: 'gpt2', SOME: 'ghp_0123456789abcdefghij0123' }))
    .toEqual({ PATH: '/bin', AWS_SECRET_ACCESS_KEY: '***', EMPTY_TOKEN: '', MODEL: 'gpt2', SOME: '***' });
  expect(maskText('key AKIAABCDEFGHIJKLMNOP used')).toBe('key *** used');
});

test('JSON in one argument, headers, whole command lines', () => {
  expect(maskArguments(['--env', '{"OPENAI_API_KEY": "abc", "STEPS": 3, "DB_PASSWORD":5}', 'https://h/?token=abc&page=2']))
    .toEqual(['--env', '{"OPENAI_API_KEY": "***", "STEPS": 3, "DB_PASSWORD":"***"}', 'https://h/?token=***&page=2']);
  expect(maskText('curl -H "Authorization: Basic abc def" host')).toBe('curl -H "Authorization: ***" host');
  expect(maskText('HF_TOKEN=abc LR=0.1 train')).toBe('HF_TOKEN=*** LR=0.1 train');
  expect(maskCommand('python train.py --token abc --lr 0.1 --author me')).toBe('python train.py --token *** --lr 0.1 --author me');
});

test('dictionaries and keyword arguments of Python', () => {
  expect(maskArguments(['-c', "import x; x.run({'password': 'a b', 'lr': 0.1, \"api_key\": 'it\\'s', 'token': b'c', 'model': 'gpt2'})"]))
    .toEqual(['-c', "import x; x.run({'password': '***', 'lr': 0.1, \"api_key\": \"***\", 'token': '***', 'model': 'gpt2'})"]);
  expect(maskArguments(["{'password': 'x'}", "--config={'db': {'DB_PASSWORD': 'x', 'port': 5432}}"]))
    .toEqual(["{'password': '***'}", "--config={'db': {'DB_PASSWORD': '***', 'port': 5432}}"]);
  expect(maskText("login(user='me', password='a, b', token = \"c d\", lr=0.1)")).toBe("login(user='me', password=***, token = ***, lr=0.1)");
  expect(maskText("{'Authorization': 'Bearer abc def'}")).toBe("{'Authorization': '***'}");
});
