/** Width of the window and the drawer that holds the list on narrow ones. */

const narrowQuery = matchMedia('(max-width: 767px)');

class Layout {
  narrow = $state(narrowQuery.matches);
  drawer = $state(false);

  constructor() {
    narrowQuery.addEventListener('change', (event) => {
      this.narrow = event.matches;
      this.drawer = false;
    });
  }
}

export const layout = new Layout();
