/** A growing Markdown text cut into blocks, so that only the last one is parsed again. Pure. */

const FENCE = /^ {0,3}(`{3,}|~{3,})/
const LIST_ITEM = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/
/** Links defined elsewhere in the text: then its parts do not stand alone. */
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:\s/m

/**
 * Cuts at blank lines where the next line surely begins something new: outside of code, not indented,
 * and not one more item of a list.
 */
export function blocksOf(text: string): string[] {
  if (DEFINITION.test(text)) return [text]
  const blocks: string[] = []
  let current: string[] = []
  let fence: string | null = null
  let blank = false
  for (const line of text.split('\n')) {
    const mark = FENCE.exec(line)?.[1] ?? null
    const begins = blank && fence === null && current.length > 0 && /^\S/.test(line)
    if (begins && !(LIST_ITEM.test(line) && LIST_ITEM.test(current[0] ?? ''))) {
      blocks.push(current.join('\n'))
      current = []
    }
    current.push(line)
    blank = line.trim() === ''
    if (mark !== null && fence === null) fence = mark
    else if (mark !== null && fence !== null && mark[0] === fence[0] && mark.length >= fence.length) fence = null
  }
  if (current.length > 0) blocks.push(current.join('\n'))
  return blocks
}
