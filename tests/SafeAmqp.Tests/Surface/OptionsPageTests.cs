using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace SafeAmqp.Tests.Surface;

/// <summary>docs/options.md is made from the options and their documentation. With SAFEAMQP_WRITE_PAGES=1 the test
/// writes it anew.</summary>
public sealed partial class OptionsPageTests
{
    private static readonly (Type Type, string What)[] Sections =
    [
        (typeof(AmqpClientOptions), "A client: `new AmqpClient(options)`, or the section `SafeAmqp` in a host."),
        (typeof(AmqpTlsOptions), "`Tls` of a client."),
        (typeof(AmqpTelemetryOptions), "`Telemetry` of a client."),
        (typeof(AmqpConsumerOptions), "A consumer: `ConsumeAsync`, `ReadAllAsync`, `AddConsumer`."),
        (typeof(AmqpCallOptions), "A call: `CallAsync`."),
        (typeof(AmqpCallManyOptions), "A call with many replies: `CallManyAsync`."),
        (typeof(AmqpServeOptions), "A server: `ServeAsync`, `ServeManyAsync`, `AddServer`, `AddManyServer`."),
    ];

    private readonly Dictionary<string, XElement> _documentation = XDocument.Load(
        Path.Combine(AppContext.BaseDirectory, "SafeAmqp.xml")).Descendants("member")
        .ToDictionary(member => member.Attribute("name")!.Value);

    [Fact]
    public void The_page_has_every_option_as_the_code_documents_it()
    {
        string path = Repository.Path("docs", "options.md");
        string page = Page();
        if (Environment.GetEnvironmentVariable("SAFEAMQP_WRITE_PAGES") == "1")
            File.WriteAllText(path, page);
        Assert.Equal(page, File.ReadAllText(path));
    }

    [Fact]
    public void Every_class_of_options_is_on_the_page()
        => Assert.Equal(
            typeof(AmqpClient).Assembly.GetExportedTypes().Where(type => type.Name.EndsWith("Options",
                StringComparison.Ordinal)).Select(type => type.Name).Order(StringComparer.Ordinal),
            Sections.Select(section => section.Type.Name).Order(StringComparer.Ordinal));

    private string Page()
    {
        var page = new StringBuilder("""
            # Every option

            Made from the code by a test, which fails when the two differ. In configuration a time is written as
            `00:00:30`, and a nested option as `Tls:ServerName`.

            """);
        foreach (var (type, what) in Sections)
        {
            page.Append($"\n## {type.Name}\n\n{what}\n\n| option | type | what it does | range and default |\n");
            page.Append("|---|---|---|---|\n");
            // In the order of the file
            foreach (var option in type.GetProperties().Where(property => property.CanWrite)
                .OrderBy(property => property.MetadataToken))
            {
                XElement member = _documentation[$"P:{type.FullName}.{option.Name}"];
                page.Append($"| `{option.Name}` | `{Name(option.PropertyType)}` | {Text(member.Element("summary")!)}");
                page.Append($" | {Text(member.Element("value")!)} |\n");
            }
        }
        return page.ToString();
    }

    private static string Name(Type type)
    {
        if (Nullable.GetUnderlyingType(type) is { } underlying)
            return Name(underlying);
        string name = type == typeof(int) ? "int" : type == typeof(long) ? "long" : type == typeof(bool) ? "bool"
            : type == typeof(string) ? "string" : type == typeof(object) ? "object" : type.Name.Split('`')[0];
        return type.IsGenericType ? $"{name}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : name;
    }

    private static string Text(XElement element) => Space().Replace(string.Concat(element.Nodes().Select(Text)), " ")
        .Trim().Replace("|", "\\|", StringComparison.Ordinal);

    private static string Text(XNode node) => node switch
    {
        XText text => text.Value,
        XElement { Name.LocalName: "see" } see when see.Attribute("langword") is { } word => $"`{word.Value}`",
        XElement { Name.LocalName: "see" } see => $"`{Reference(see.Attribute("cref")!.Value)}`",
        XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
        _ => throw new NotSupportedException($"How is this written in Markdown? {node}"),
    };

    // P:SafeAmqp.AmqpConsumerOptions.Prefetch is `AmqpConsumerOptions.Prefetch`, and a type its own name
    private static string Reference(string cref)
    {
        string[] parts = cref[2..].Split('(')[0].Split('.');
        return cref[0] == 'T' ? parts[^1] : string.Join('.', parts[^2..]);
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
