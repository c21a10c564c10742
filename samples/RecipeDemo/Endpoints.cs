namespace RecipeDemo;

/// <summary>What is asked, and what each is called in the table.</summary>
internal static class Endpoints
{
    public const string Ping = "crawling ping";
    public const string Begin = "crawl (async), accepted";
    public const string Job = "crawl (async), until done";
    public const string Crawl = "crawl (sync)";
    public const string Recipe = "analyse recipe";
    public const string Image = "analyse image";

    public static IReadOnlyList<string> All { get; } = [Ping, Begin, Job, Crawl, Recipe, Image];
}
