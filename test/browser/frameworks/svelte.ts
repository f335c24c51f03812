/// <reference lib="dom" />
import { type Component, mount } from 'svelte';
import Application from './application.svelte';

const target = document.querySelector('#root');
if (!target) throw new Error('The page has no root.');
mount(Application as Component, { target });
