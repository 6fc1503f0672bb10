package dev.holdover.benchmarks;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.CategorySeries;
import org.knowm.xchart.VectorGraphicsEncoder;
import org.knowm.xchart.VectorGraphicsEncoder.VectorGraphicsFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The kinds of plots there are, all in one style, as SVG; "" for a plot without figures, whose runs were left out. */
final class Plots {
    private static final int WIDTH = 920;
    private static final int HEIGHT = 400;
    private static final Color INK = new Color(0x24292f);
    private static final Color GRID = new Color(0xd8dee4);
    /** Holdover is blue wherever it is the only one of its kind; references are grey and warm. */
    private static final Color[] COLOURS = {
        new Color(0x1f6feb),
        new Color(0xbf8700),
        new Color(0x2da44e),
        new Color(0xcf222e),
        new Color(0x8250df),
        new Color(0x6e7781),
        new Color(0x0a3069)
    };

    private static final Color[] PAIR = {
        new Color(0x1f6feb), new Color(0x8c959f), new Color(0x79b8ff), new Color(0xd0d7de)
    };
    private static final Color[] STACK = {
        new Color(0x0a3069), new Color(0x1f6feb), new Color(0x79b8ff), new Color(0x2da44e),
        new Color(0xd4a72c), new Color(0xe16f24), new Color(0xcf222e), new Color(0x8250df)
    };

    private Plots() {}

    /** Series of figures over the same categories; a figure that is missing is null. */
    private static final class Series {
        private final Map<String, Map<String, Double>> byName = new LinkedHashMap<>();
    }

    /** Collects figures by series and category. */
    static final class Figures {
        private final Series series = new Series();
        private final List<String> categories = new ArrayList<>();

        void add(String name, String category, double value) {
            if (!categories.contains(category)) {
                categories.add(category);
            }
            if (!Double.isNaN(value)) {
                series.byName
                        .computeIfAbsent(name, key -> new LinkedHashMap<>())
                        .put(category, value);
            }
        }

        /** The greatest value; 0 without any. */
        double most() {
            double most = 0;
            for (Map<String, Double> values : series.byName.values()) {
                for (double value : values.values()) {
                    most = Math.max(most, value);
                }
            }
            return most;
        }

        boolean isEmpty() {
            return series.byName.isEmpty();
        }
    }

    /** Lines over categories, RAM sizes say. */
    static String lines(String xTitle, String yTitle, Figures figures) throws IOException {
        if (figures.isEmpty()) {
            return "";
        }
        CategoryChart chart = categories(xTitle, yTitle, PAIR);
        chart.getStyler().setDefaultSeriesRenderStyle(CategorySeries.CategorySeriesRenderStyle.Line);
        chart.getStyler().setMarkerSize(7);
        chart.getStyler().setOverlapped(true);
        fill(chart, figures, true);
        return svg(chart);
    }

    /** Bars side by side. */
    static String bars(String xTitle, String yTitle, Figures figures, boolean pairs) throws IOException {
        if (figures.isEmpty()) {
            return "";
        }
        CategoryChart chart = categories(xTitle, yTitle, pairs ? PAIR : COLOURS);
        // What stands in a bar is to fit in it.
        chart.getStyler()
                .setDecimalPattern(figures.most() < 10 ? "#,##0.##" : figures.most() < 100 ? "#,##0.#" : "#,##0");
        chart.getStyler().setLabelsVisible(true);
        chart.getStyler().setLabelsPosition(0.95);
        chart.getStyler().setLabelsFontColorAutomaticEnabled(false);
        chart.getStyler().setLabelsFontColor(Color.WHITE);
        chart.getStyler().setLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 11));
        fill(chart, figures, false);
        return svg(chart);
    }

    /** Bars of parts, one on the other. */
    static String stacks(String xTitle, String yTitle, Figures figures) throws IOException {
        if (figures.isEmpty()) {
            return "";
        }
        CategoryChart chart = categories(xTitle, yTitle, STACK);
        chart.getStyler().setStacked(true);
        chart.getStyler().setAvailableSpaceFill(0.6);
        fill(chart, figures, false);
        return svg(chart);
    }

    /** How a sample is spread: its percentiles, one line a sample. */
    static String percentiles(String yTitle, Map<String, Sample> samples) throws IOException {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .xAxisTitle("percentile")
                .yAxisTitle(yTitle)
                .build();
        style(chart, chart.getStyler(), COLOURS);
        chart.getStyler().setXAxisMin(0.0).setXAxisMax(100.0);
        chart.getStyler().setXAxisTickMarkSpacingHint(60);
        for (Map.Entry<String, Sample> sample : samples.entrySet()) {
            double[] x = new double[101];
            double[] y = new double[101];
            for (int i = 0; i <= 100; i++) {
                x[i] = i;
                y[i] = sample.getValue().percentile(i);
            }
            XYSeries line = chart.addSeries(sample.getKey(), x, y);
            line.setMarker(SeriesMarkers.NONE);
            line.setLineStyle(new BasicStroke(2.2f));
        }
        return svg(chart);
    }

    private static CategoryChart categories(String xTitle, String yTitle, Color[] colours) {
        CategoryChart chart = new CategoryChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .xAxisTitle(xTitle)
                .yAxisTitle(yTitle)
                .build();
        style(chart, chart.getStyler(), colours);
        chart.getStyler().setPlotGridVerticalLinesVisible(false);
        return chart;
    }

    private static void style(Chart<?, ?> chart, AxesChartStyler styler, Color[] colours) {
        Font text = new Font(Font.SANS_SERIF, Font.PLAIN, 13);
        styler.setSeriesColors(colours);
        styler.setChartBackgroundColor(Color.WHITE);
        styler.setPlotBackgroundColor(Color.WHITE);
        styler.setChartFontColor(INK);
        styler.setPlotBorderVisible(false);
        styler.setPlotGridLinesColor(GRID);
        styler.setPlotGridLinesStroke(new BasicStroke(1f));
        styler.setAxisTickMarksColor(GRID);
        styler.setChartTitleVisible(false);
        styler.setLegendPosition(Styler.LegendPosition.OutsideS);
        styler.setLegendLayout(Styler.LegendLayout.Horizontal);
        styler.setLegendBorderColor(Color.WHITE);
        styler.setLegendFont(text);
        styler.setAxisTickLabelsFont(text);
        styler.setAxisTitleFont(text);
        styler.setYAxisMin(0.0);
        styler.setDecimalPattern("#,##0.##");
        chart.getStyler().setLegendSeriesLineLength(16);
    }

    private static void fill(CategoryChart chart, Figures figures, boolean lines) {
        for (Map.Entry<String, Map<String, Double>> series : figures.series.byName.entrySet()) {
            List<Double> values = new ArrayList<>();
            for (String category : figures.categories) {
                values.add(series.getValue().getOrDefault(category, lines ? null : Double.valueOf(0)));
            }
            CategorySeries added = chart.addSeries(series.getKey(), figures.categories, values);
            if (lines) {
                added.setMarker(SeriesMarkers.CIRCLE);
                added.setLineStyle(new BasicStroke(2.2f));
            }
        }
    }

    private static String svg(Chart<?, ?> chart) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        VectorGraphicsEncoder.saveVectorGraphic(chart, bytes, VectorGraphicsFormat.SVG);
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
