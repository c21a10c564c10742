using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using SafeAmqp.TestOrder;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(SeededOrder))]
[assembly: TestClassOrderer(typeof(SeededOrder))]
[assembly: TestMethodOrderer(typeof(SeededOrder))]
[assembly: TestCaseOrderer(typeof(SeededOrder))]

namespace SafeAmqp.TestOrder;

/// <summary>
/// The order of tests: shuffled by a seed, and for a seed the same on every machine. That of xunit depends on the
/// folder that the assembly is in.
/// </summary>
internal sealed partial class SeededOrder
    : ITestCollectionOrderer, ITestClassOrderer, ITestMethodOrderer, ITestCaseOrderer
{
    /// <summary>Names the seed; without it, it is 1.</summary>
    public const string Variable = "SAFEAMQP_TEST_SEED";

    internal static readonly int Seed = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } seed
        ? int.Parse(seed, CultureInfo.InvariantCulture)
        : 1;

    public IReadOnlyCollection<T> OrderTestCollections<T>(IReadOnlyCollection<T> testCollections)
        where T : ITestCollection
        => Shuffled(testCollections, collection => UniqueId().Replace(collection.TestCollectionDisplayName, ""));

    public IReadOnlyCollection<T?> OrderTestClasses<T>(IReadOnlyCollection<T?> testClasses)
        where T : notnull, ITestClass
        => Shuffled(testClasses, testClass => testClass?.TestClassName);

    public IReadOnlyCollection<T?> OrderTestMethods<T>(IReadOnlyCollection<T?> testMethods)
        where T : notnull, ITestMethod
        => Shuffled(testMethods, method => method?.MethodName);

    public IReadOnlyCollection<T> OrderTestCases<T>(IReadOnlyCollection<T> testCases)
        where T : notnull, ITestCase
        => Shuffled(testCases, testCase => testCase.TestCaseDisplayName);

    private static T[] Shuffled<T>(IReadOnlyCollection<T> items, Func<T, string?> name)
        => [.. items.OrderBy(item => Place(name(item)))];

    private static ulong Place(string? name) => BitConverter.ToUInt64(SHA256.HashData(
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Seed} {name}"))));

    // What xunit adds to the names of collections is made from the folder too.
    [GeneratedRegex(@" \(id: \w+\)$")]
    private static partial Regex UniqueId();
}
