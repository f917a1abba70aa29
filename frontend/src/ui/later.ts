/** Parts of the app that are loaded when they are asked for. What cannot be loaded (no connection, or a newer
    version has taken its place) says so where it would have been, and breaks nothing around it. */
import { lazy } from "react";
import type { ComponentType, LazyExoticComponent } from "react";

export type Loader<P> = () => Promise<ComponentType<P>>;

/** `instead` stands where `load` has failed, until the page is loaded again. */
export function later<P extends object>(load: Loader<P>, instead: ComponentType<P>): LazyExoticComponent<ComponentType<P>> {
  return lazy(async () => ({ default: await load().catch(() => instead) }));
}
