import { render } from "preact";
import { App } from "./app.tsx";
import "./style/tokens.css";
import "./style/parts.css";
import "./style/frame.css";
import "./style/pages.css";
import "./style/requests.css";
import "./style/heat.css";
import "./style/admin.css";
import "./style/play.css";

const place = document.getElementById("console");
if (place) render(<App />, place);
