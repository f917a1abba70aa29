/** The comments on one record, beside it (on phones: as a sheet). */
export default function ThreadHost(_: { phone: boolean }) {
  return null;
}
