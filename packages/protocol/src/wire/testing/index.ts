/** What tests of the wire share with the script that writes the vectors. */

export { messageFromJson, messageToJson } from './message-json.ts';
export { arbitraryBody, arbitraryMessage, fullMessage, minimalMessage } from './message-samples.ts';
