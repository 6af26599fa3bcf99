// What can be asked for on the command line: commands, their options, and the help made of them. Owns the tables; reads no arguments.

export interface OptionRow {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** What its value is, as help has it. */
  readonly value?: string
  readonly help: string
}

export type OptionRows = Readonly<Record<string, OptionRow>>

export interface CommandRow {
  readonly usage: string
  readonly summary: string
  readonly details: string
  readonly options: OptionRows
  readonly examples: readonly string[]
  /** How many arguments it takes beside its options. */
  readonly least: number
  readonly most: number
}

export type CommandName = 'connect' | 'send' | 'subscribe' | 'listen' | 'bench'

/** How to connect. */
const CONNECTION: OptionRows = {
  header: { type: 'string', short: 'H', multiple: true, value: "'Name: value'", help: 'a header field of the handshake; may be repeated' },
  subprotocol: { type: 'string', short: 's', multiple: true, value: '<name>', help: 'a subprotocol to offer, the preferred one first; may be repeated' },
  origin: { type: 'string', value: '<origin>', help: 'the Origin header field' },
  auth: { type: 'string', value: '<token>', help: 'a bearer token for the Authorization header field' },
  compress: { type: 'boolean', help: 'offer permessage-deflate' },
  insecure: { type: 'boolean', help: 'take any TLS certificate' }
}

const RECONNECT: OptionRows = { reconnect: { type: 'boolean', help: 'connect again when the connection breaks' } }

const OUTPUT: OptionRows = {
  json: { type: 'boolean', help: 'print JSON over several lines, where the output is a terminal' },
  timestamps: { type: 'boolean', help: 'print when a message came' }
}

const CONTRACT: OptionRows = {
  contract: { type: 'string', value: '<file>', help: 'check messages by a contract: before they are sent, and as they come' },
  strict: { type: 'boolean', help: 'with --contract: end with 1 when one comes that does not fit' }
}

const HELP: OptionRows = { help: { type: 'boolean', short: 'h', help: 'print this' } }

export const COMMANDS: Readonly<Record<CommandName, CommandRow>> = {
  connect: {
    usage: 'ftws connect [options] <url>',
    summary: 'talk to a server, by hand or in a pipe',
    details: 'In a terminal each line that is typed is a message. Else it is a pipe: each line of stdin is a message, each message a line of stdout, and everything else goes to stderr.',
    options: {
      ...CONNECTION,
      ...RECONNECT,
      ...OUTPUT,
      ...CONTRACT,
      ping: { type: 'string', value: '<seconds>', help: 'ping so often, and show how long the answer takes' },
      'no-history': { type: 'boolean', help: 'in a terminal: keep nothing of what is typed; as FTWS_HISTORY= does' },
      wait: { type: 'string', value: '<ms>', help: 'in a pipe: stay so long behind the end of stdin, or `forever`; default 0' },
      ...HELP
    },
    examples: [
      'ftws connect ws://localhost:3000/chat',
      "ftws connect -H 'Cookie: session=1' --json --timestamps wss://example.com/feed",
      "echo '{\"type\":\"say\",\"text\":\"hi\"}' | ftws connect --wait 500 ws://localhost:3000/chat | jq .text"
    ],
    least: 1,
    most: 1
  },
  send: {
    usage: 'ftws send [options] <url> <message...>',
    summary: 'send messages, and wait until they have left',
    details: 'Each argument is a message. With --wait it prints so many answers, one a line, before it closes.',
    options: {
      ...CONNECTION,
      ...OUTPUT,
      ...CONTRACT,
      wait: { type: 'string', short: 'w', value: '<count>', help: 'print so many messages that come; default 0' },
      timeout: { type: 'string', value: '<ms>', help: 'how long to wait for them; default 30000' },
      ...HELP
    },
    examples: ['ftws send ws://localhost:3000/echo hello', "ftws send --wait 1 --contract chat.js ws://localhost:3000/chat '{\"type\":\"say\",\"text\":\"hi\"}'"],
    least: 2,
    most: Infinity
  },
  subscribe: {
    usage: 'ftws subscribe [options] <url> <topic>',
    summary: 'print the messages of a topic',
    details: 'For routes that let clients use topics. Prints each message as JSON in a line, until the server closes, --count are there, or Ctrl+C. The last place goes to stderr at the end, for --since, where the topic has a history.',
    options: {
      ...CONNECTION,
      ...RECONNECT,
      ...OUTPUT,
      since: { type: 'string', value: '<epoch:offset>', help: 'begin behind this place in the history' },
      ...CONTRACT,
      contract: { type: 'string', value: '<file>', help: "check messages by the topic's schema, which the file exports" },
      count: { type: 'string', short: 'n', value: '<n>', help: 'end when so many have come' },
      ...HELP
    },
    examples: ['ftws subscribe ws://localhost:3000/rooms room/a', 'ftws subscribe --since 4f1c:17 --count 10 ws://localhost:3000/rooms room/a'],
    least: 2,
    most: 2
  },
  listen: {
    usage: 'ftws listen [options] <port>',
    summary: 'a server that sends back what it gets',
    details: 'Takes every path. Prints what comes, with --log sends nothing back. 0 is a free port. Until Ctrl+C.',
    options: {
      host: { type: 'string', value: '<address>', help: 'the address to listen on; default 127.0.0.1' },
      log: { type: 'boolean', help: 'print messages and send none back' },
      quiet: { type: 'boolean', short: 'q', help: 'print no messages' },
      subprotocol: { type: 'string', short: 's', multiple: true, value: '<name>', help: 'a subprotocol to agree on; may be repeated' },
      compress: { type: 'boolean', help: 'agree on permessage-deflate' },
      ...OUTPUT,
      ...HELP
    },
    examples: ['ftws listen 8080', 'ftws listen --log --json --timestamps 8080', 'ftws listen --quiet 8080'],
    least: 1,
    most: 1
  },
  bench: {
    usage: 'ftws bench [options] <url>',
    summary: 'measure a server that answers each message',
    details: 'Without --message an answer is as long as what it answers. Without --rate each connection sends as answers come: that measures throughput, and a server that stalls is asked less meanwhile. With --rate messages are due at fixed times, and latency is from when one was due, so that a stall counts for all that it holds up.',
    options: {
      ...CONNECTION,
      connections: { type: 'string', short: 'c', value: '<n>', help: 'default 10' },
      'in-flight': { type: 'string', short: 'f', value: '<n>', help: 'messages of a connection without an answer at most; default 1, with --rate 1000' },
      size: { type: 'string', value: '<bytes>', help: 'of a message; default 64' },
      message: { type: 'string', short: 'm', value: '<text>', help: 'what is sent, for a server that takes no other; any text is an answer then' },
      rate: { type: 'string', short: 'r', value: '<n>', help: 'messages a second, of all connections together; default as many as can be' },
      duration: { type: 'string', short: 'd', value: '<seconds>', help: 'default 10' },
      'warm-up': { type: 'string', value: '<seconds>', help: 'before that: messages that are not counted; default 1' },
      text: { type: 'boolean', help: 'text messages: the default' },
      binary: { type: 'boolean', help: 'binary messages' },
      output: { type: 'string', value: '<text|json>', help: 'how the result is printed; default text' },
      ...HELP
    },
    examples: ['ftws bench ws://localhost:3000/echo', 'ftws bench -c 100 --rate 5000 --duration 30 --output json ws://localhost:3000/echo', 'ftws bench -m \'{"type":"say","text":"hi"}\' ws://localhost:3000/chat'],
    least: 1,
    most: 1
  }
}

export const GLOBAL: OptionRows = {
  ...HELP,
  version: { type: 'boolean', short: 'v', help: 'print the version' }
}

const EXIT_CODES = `Exit codes:
  0  fine: the connection was closed with 1000, 1001 or 1005
  1  it failed, was refused or was closed in another way; with bench, any error
  2  the command line, or a message to be sent, is wrong`

/** Makes what `ftws --help` prints. */
export function describeAll (): string {
  const commands = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(11)}${summary}`)
  return `Usage: ftws <command> [options]

Talks to WebSocket servers.

Commands:
${commands.join('\n')}

Options:
${listOptions(GLOBAL)}

Examples:
${Object.values(COMMANDS).map(({ examples }) => `  ${examples[0]}`).join('\n')}

\`ftws <command> --help\` has the options of one. NO_COLOR and FORCE_COLOR are heeded.

${EXIT_CODES}
`
}

/** Makes what `ftws <command> --help` prints. */
export function describeCommand (name: CommandName): string {
  const { usage, summary, details, options, examples } = COMMANDS[name]
  return `Usage: ${usage}

${summary[0]?.toUpperCase()}${summary.slice(1)}.
${wrap(details, 100)}

Options:
${listOptions(options)}

Examples:
${examples.map((example) => `  ${example}`).join('\n')}

${EXIT_CODES}
`
}

function listOptions (rows: OptionRows): string {
  const left = Object.entries(rows).map(([name, { short, value }]) => {
    return `  ${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
  })
  const width = Math.max(...left.map(({ length }) => length)) + 2
  return Object.values(rows).map(({ help }, index) => left[index]?.padEnd(width) + help).join('\n')
}

function wrap (text: string, width: number): string {
  return text.replace(new RegExp(`(.{1,${width}})(?: |$)`, 'g'), '$1\n').trimEnd()
}
